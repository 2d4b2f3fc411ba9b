//! A broken configuration is one sentence that names cause and mend, and exit code 2; `check` binds and writes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

struct Setting {
    directory: TempDir,
}

impl Setting {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ringback.toml"), text).unwrap();
        fs::set_permissions(directory.path().join("ringback.toml"), Permissions::from_mode(0o600)).unwrap();
        Setting { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ringback"))
            .args(arguments)
            .current_dir(self.path())
            .output()
            .unwrap()
    }

    fn check(&self, more: &[&str]) -> Output {
        self.run(&[&["check", "-c", "ringback.toml"], more].concat())
    }

    /// The one sentence of a refusal.
    fn refusal(&self, more: &[&str]) -> String {
        let output = self.check(more);
        let sentence = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{sentence}");
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
        assert!(output.stdout.is_empty());
        sentence.trim_end().trim_start_matches("ringback: ").to_owned()
    }
}

fn refusal(text: &str) -> String {
    Setting::new(text).refusal(&[])
}

#[test]
fn unknown_keys_name_their_line_and_the_nearest_key() {
    assert_eq!(
        refusal("domain = 'example.com'\n[listen]\nsip_upd = '0.0.0.0:5060'\n"),
        "ringback.toml:3: unknown key `listen.sip_upd`; the nearest known key is `listen.sip_udp`"
    );
    assert_eq!(
        refusal("[tls]\ncertificat = 'a.pem'\n"),
        "ringback.toml:2: unknown key `tls.certificat`; the nearest known key is `tls.certificate`"
    );
}

#[test]
fn duplicate_keys_are_errors() {
    assert_eq!(
        refusal("realm = 'a'\n\nrealm = 'b'\n"),
        "ringback.toml:3: the key `realm` is given twice; remove one"
    );
    let section = refusal("[listen]\nhttp = ''\n[media]\nworkers = 1\n[listen]\nhttps = ''\n");
    assert!(section.starts_with("ringback.toml:5: the key `listen` is given twice"), "{section}");
}

#[test]
fn keys_of_later_versions_are_not_in_this_version() {
    for (text, key) in [
        ("[store]\nurl = 'postgres://x'\n", "store.url"),
        ("[cluster]\nurl = 'redis://x'\n", "cluster"),
        ("[[trunk]]\nname = 'x'\n", "trunk"),
        ("[media]\nstun = ''\n", "media.stun"),
    ] {
        let sentence = refusal(text);
        assert!(sentence.ends_with(&format!("`{key}` is not in this version; remove it")), "{sentence}");
    }
}

#[test]
fn values_say_what_to_write_instead() {
    for (text, expected) in [
        (
            "[listen]\nsip_udp = 'localhost:5060'\n",
            "ringback.toml:2: `listen.sip_udp`: `localhost:5060` is not an IP address with a port; write it as \
             `0.0.0.0:5060` or `[::]:5060`",
        ),
        (
            "[media]\nrtp_ports = '20000'\n",
            "ringback.toml:2: `media.rtp_ports`: `20000` is not a range of at least two ports; write it as \
             `20000-29999`",
        ),
        (
            "[listen]\ntrusted_proxies = ['10.0.0.0/8', '10.0.0.0/40']\n",
            "ringback.toml:2: `listen.trusted_proxies`: `10.0.0.0/40` is not an address or prefix; write it as \
             `192.0.2.7` or `10.0.0.0/8`",
        ),
        (
            "[listen]\nproxy_protocol = ['proxy.example.com']\n",
            "ringback.toml:2: `listen.proxy_protocol`: `proxy.example.com` is not an address or prefix; write it as \
             `192.0.2.7` or `10.0.0.0/8`",
        ),
        (
            "[media]\nrtp_ports = '20001-20007'\nworkers = 4\n",
            "ringback.toml:3: `media.workers` is 4 and `media.rtp_ports` (20001-20007) has fewer pairs of an even and \
             the next odd port; widen the range",
        ),
        (
            "[limits]\nnat_ping_seconds = 26\n",
            "ringback.toml:2: `limits.nat_ping_seconds` is 26; choose 0 to 25",
        ),
        ("[limits]\ncalls = 0\n", "ringback.toml:2: `limits.calls` is 0; choose 1 to 1000000"),
        ("[listen\n", "ringback.toml:1: this is not TOML"),
        (
            "[[user]]\nname = 'a b'\npassword = 'x'\n",
            "ringback.toml:2: `user.name`: `a b` is not a user name",
        ),
        (
            "[[user]]\nname = 'echo'\npassword = 'x'\n",
            "ringback.toml:2: `user.name`: `echo` is a built-in number",
        ),
        (
            "[[headers]]\npeer = 'users'\ndrop = ['From']\n",
            "ringback.toml:1: `headers`: From is written by the exchange itself",
        ),
        (
            "[[headers]]\npeer = 'users'\nset = ['X-Site']\n",
            "ringback.toml:1: `headers`: `X-Site` in `set` is no header line; write it as `Name: value`",
        ),
        (
            "[[headers]]\npeer = 'users'\n[[headers]]\npeer = 'users'\n",
            "ringback.toml:1: `headers`: two entries are of the same `peer`",
        ),
        (
            "[log]\nlevel = 'loud and clear'\n",
            "ringback.toml:2: `log.level`: `loud and clear` is not a log level",
        ),
    ] {
        let sentence = refusal(text);
        assert!(sentence.starts_with(expected), "{sentence}\nexpected: {expected}");
    }
}

#[test]
fn a_password_never_stands_in_a_message() {
    for text in [
        "[[user]]\nname = 'alice'\npassword = 47114711\n",
        "[[user]]\nname = 'alice'\npassword = 'a47114711\n",
        "[[user]]\nname = 'alice'\npassword = ['47114711']\n",
        "[[user]]\nname = 'alice'\npassword = '47114711'\npassword = '47114711'\n",
        "[[user]]\nname = 'alice'\npasword = '47114711'\n",
    ] {
        let sentence = refusal(text);
        assert!(!sentence.contains("47114711"), "{sentence}");
    }
}

#[test]
fn a_file_with_passwords_must_be_private() {
    let setting = Setting::new("[[user]]\nname = 'alice'\npassword = 'x'\n");
    fs::set_permissions(setting.path().join("ringback.toml"), Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        setting.refusal(&[]),
        "others can read `ringback.toml` (mode 644) and it holds passwords; run `chmod 600 ringback.toml`"
    );
    let without = Setting::new("realm = 'x'\n");
    fs::set_permissions(without.path().join("ringback.toml"), Permissions::from_mode(0o644)).unwrap();
    assert!(without.check(&[]).status.success());
}

#[test]
fn two_listeners_cannot_have_one_address() {
    for (text, expected) in [
        (
            "[listen]\nhttp = '127.0.0.1:8443'\n",
            "`listen.https` wants 0.0.0.0:8443, which `listen.http` has; give one of them another port",
        ),
        (
            "[listen]\nsip_tls = '0.0.0.0:5060'\n",
            "`listen.sip_tls` wants 0.0.0.0:5060, which `listen.sip_tcp` has",
        ),
        (
            "[turn]\nrelay_ports = '25000-35000'\n",
            "`turn.relay_ports` (25000-35000) and `media.rtp_ports` (20000-29999) have ports in common; move one of them",
        ),
        (
            "[turn]\nrelay_ports = '5000-6000'\n",
            "the port of `listen.sip_udp` (0.0.0.0:5060) lies in `turn.relay_ports`; move one of them",
        ),
        (
            "[listen]\nsip_udp = '0.0.0.0:5349'\n",
            "`listen.turn_tls` wants 0.0.0.0:5349, which `listen.sip_udp` has",
        ),
        (
            "[listen]\nsip_udp = '127.0.0.1:8444'\n[media]\nworkers = 2\n",
            "`listen.webrtc` wants 0.0.0.0:8444, which `listen.sip_udp` has",
        ),
        (
            "[listen]\nsip_udp = '0.0.0.0:25060'\n",
            "the port of `listen.sip_udp` (0.0.0.0:25060) lies in `media.rtp_ports`; move one of them",
        ),
        (
            "[listen]\nwebrtc = '0.0.0.0:65535'\n[media]\nworkers = 2\n",
            "`media.workers` is 2 and the ports above 0.0.0.0:65535 do not suffice",
        ),
    ] {
        let sentence = refusal(text);
        assert!(sentence.contains(expected), "{sentence}\nexpected: {expected}");
    }
    // Port 0 is never the same port, and IPv6 is another address.
    let free =
        "[listen]\nhttp = '127.0.0.1:0'\nhttps = '127.0.0.1:0'\nsip_tcp = ['0.0.0.0:5060', '[::]:5060']\n";
    assert!(Setting::new(free).check(&[]).status.success());
    let off = "[listen]\nhttp = ''\nhttps = ''\nsip_udp = ''\nsip_tcp = []\nsip_tls = ''\nwebrtc = ''\nturn = ''\nturn_tls = ''\n";
    assert!(refusal(off).contains("every listener is turned off"));
}

/// A certificate that is valid from `from` days to `until` days from now, and its key, as PEM.
fn certificate(from: i64, until: i64) -> (String, String) {
    let day = std::time::Duration::from_secs(86_400);
    let at = |days: i64| {
        let offset = day * u32::try_from(days.unsigned_abs()).unwrap();
        let now = std::time::SystemTime::now();
        if days < 0 { now - offset } else { now + offset }
    };
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = at(from).into();
    params.not_after = at(until).into();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn with_certificate(certificate: &str, key: &str, key_mode: u32) -> Setting {
    let setting = Setting::new("[tls]\ncertificate = 'a.pem'\nkey = 'a.key'\n");
    fs::write(setting.path().join("a.pem"), certificate).unwrap();
    fs::write(setting.path().join("a.key"), key).unwrap();
    fs::set_permissions(setting.path().join("a.key"), Permissions::from_mode(key_mode)).unwrap();
    setting
}

#[test]
fn a_certificate_that_a_client_would_refuse_is_refused_here() {
    let (sound, key) = certificate(-1, 10);
    assert!(with_certificate(&sound, &key, 0o600).check(&[]).status.success());
    assert!(with_certificate(&sound, &key, 0o640).check(&[]).status.success(), "a group may read the key");
    let (expired, its_key) = certificate(-10, -1);
    let (early, early_key) = certificate(5, 10);
    for (certificate, key, mode, expected) in [
        (&expired, &its_key, 0o600, "ringback.toml:2: the certificate `a.pem` expired on "),
        (&early, &early_key, 0o600, "ringback.toml:2: the certificate `a.pem` is valid only from "),
        (
            &sound,
            &its_key,
            0o600,
            "ringback.toml:3: the key `a.key` does not belong to the certificate `a.pem`",
        ),
        (
            &sound,
            &key,
            0o644,
            "ringback.toml:3: others can read the key `a.key` (mode 644); run `chmod 600 a.key`",
        ),
        (&key, &key, 0o600, "ringback.toml:2: `a.pem` holds no PEM certificate"),
        (&sound, &sound, 0o600, "ringback.toml:3: `a.key` holds no PEM private key"),
    ] {
        let sentence = with_certificate(certificate, key, mode).refusal(&[]);
        assert!(sentence.starts_with(expected), "{sentence}\nexpected: {expected}");
    }
    assert!(refusal("[tls]\nkey = 'a.key'\n").contains("`tls.key` is set without `tls.certificate`"));
    assert!(refusal("[tls]\ncertificate = 'no.pem'\nkey = 'no.key'\n").contains("cannot read `no.pem`"));
    assert!(refusal("[tls]\ntrust = 'no.pem'\n").contains("`no.pem` cannot be read or holds no authority"));
}

#[test]
fn keys_are_not_masked_in_packets() {
    let sentence = refusal("[recording]\nformat = 'pcap'\n");
    assert!(
        sentence.starts_with("ringback.toml:2: ") && sentence.contains("mask_dtmf = false"),
        "{sentence}"
    );
    let setting = Setting::new("[recording]\nformat = 'pcap'\nmask_dtmf = false\n");
    assert!(setting.check(&[]).status.success());
}

#[test]
fn set_overrides_the_file_and_is_checked_like_it() {
    let setting = Setting::new("realm = 'file'\n[limits]\ncalls = 5\n");
    let output =
        setting.check(&["--set", "realm=argument", "--set", "limits.calls=7", "--set", "listen.http="]);
    let shown = String::from_utf8(output.stdout).unwrap();
    for expected in ["realm = \"argument\"", "calls = 7", "http = \"\""] {
        assert!(shown.lines().any(|line| line == expected), "{expected} in {shown}");
    }
    for (argument, expected) in [
        ("realm", "`--set realm` has no value; write it as `--set listen.http=127.0.0.1:8080`"),
        ("relam=x", "--set relam: unknown key `relam`; the nearest known key is `realm`"),
        (
            "limits.calls=many",
            "--set limits.calls: `limits.calls`: invalid type: string \"many\", expected u32",
        ),
        ("media.stun=x", "--set media.stun: `media.stun` is not in this version; remove it"),
        ("user.password=x", "users cannot be given by --set"),
        (
            "listen.http=127.0.0.1",
            "--set listen.http: `listen.http`: `127.0.0.1` is not an IP address with a port",
        ),
    ] {
        let sentence = setting.refusal(&["--set", argument]);
        assert!(sentence.starts_with(expected), "{sentence}\nexpected: {expected}");
    }
}

#[test]
fn check_explains_hides_passwords_and_leaves_nothing_behind() {
    let setting = Setting::new("domain = 'Example.com'\n[[user]]\nname = 'alice'\npassword = 'orange-7'\n");
    let output = setting.check(&[]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(shown.contains("# Passwords belong to the realm `example.com`."), "{shown}");
    assert!(shown.contains("# warning: the certificate is a local one"), "{shown}");
    assert!(shown.contains("password = \"(hidden)\"") && !shown.contains("orange-7"), "{shown}");
    let left: Vec<_> =
        fs::read_dir(setting.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["ringback.toml"]);
}

#[test]
fn a_file_that_is_not_there_is_one_sentence() {
    let setting = Setting::new("");
    let output = setting.run(&["check", "-c", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert!(sentence.starts_with("ringback: cannot read the configuration `nowhere.toml`: "), "{sentence}");
}
