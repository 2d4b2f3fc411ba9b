//! Builds the web phone and writes `OUT_DIR/pages.rs`, which carries it into the binary.
//!
//! The inputs are the sources, configuration and lock file in `web/`. Nothing is written into the work tree but
//! `web/node_modules`, which git ignores. `RINGBACK_WEB_DIST` names a folder that is built already; then neither Node nor
//! npm is needed.
#![allow(clippy::print_stdout, reason = "a build script talks to cargo on standard output")]

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            for line in sentence.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let folder = |name| env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("cargo sets no {name}"));
    let out = folder("OUT_DIR")?;
    let dist = match env::var_os(PREBUILT).filter(|dist| !dist.is_empty()) {
        Some(dist) => {
            let dist = PathBuf::from(dist);
            println!("cargo::rerun-if-changed={}", dist.display());
            dist
        }
        None => {
            let web = folder("CARGO_MANIFEST_DIR")?.join("../../web");
            for input in inputs(&web)? {
                println!("cargo::rerun-if-changed={}", input.display());
            }
            let dist = out.join("web");
            build_web(&web, &dist, &Tools::default())?;
            dist
        }
    };
    write_pages(&dist, &out.join("pages.rs"))
}

/// The programs that build the web phone.
pub(crate) struct Tools {
    pub(crate) node: PathBuf,
    pub(crate) npm: PathBuf,
}

impl Default for Tools {
    fn default() -> Self {
        Tools { node: PathBuf::from("node"), npm: PathBuf::from("npm") }
    }
}

/// What in `web/` decides how the phone looks.
pub(crate) fn inputs(web: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(web).map_err(|error| {
        format!(
            "cannot read {}: {error}; build in a whole checkout, or set {PREBUILT} to a built phone",
            web.display()
        )
    })?;
    let mut inputs = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| format!("cannot read {}: {error}", web.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !NOT_INPUTS.contains(&name.as_str()) {
            inputs.push(entry.path());
        }
    }
    inputs.sort();
    Ok(inputs)
}

/// Installs what the lock file lists, if it lists something else than last time, and builds the phone into `dist`.
pub(crate) fn build_web(web: &Path, dist: &Path, tools: &Tools) -> Result<(), String> {
    check_node(tools)?;
    let lock_file = web.join("package-lock.json");
    let text =
        fs::read(&lock_file).map_err(|error| format!("cannot read {}: {error}", lock_file.display()))?;
    // Builds of several profiles or target directories share `node_modules`, so that they take turns.
    let lock =
        File::open(&lock_file).map_err(|error| format!("cannot open {}: {error}", lock_file.display()))?;
    lock.lock().map_err(|error| format!("cannot lock {}: {error}", lock_file.display()))?;
    let installed = web.join("node_modules/.ringback-installed");
    let wanted = hash(&text);
    if fs::read_to_string(&installed).ok().as_deref() != Some(wanted.as_str()) {
        execute(Command::new(&tools.npm).args(["ci", "--no-audit", "--no-fund"]).current_dir(web))?;
        fs::write(&installed, wanted)
            .map_err(|error| format!("cannot write {}: {error}", installed.display()))?;
    }
    let mut build = Command::new(&tools.npm);
    build.args(["run", "build", "--", "--emptyOutDir", "--outDir"]).arg(dist).current_dir(web);
    execute(&mut build)
}

/// Refuses a missing or too old Node in one sentence.
fn check_node(tools: &Tools) -> Result<(), String> {
    let mend = format!(
        "install Node {}.{} or later (https://nodejs.org), or set {PREBUILT} to a built phone",
        OLDEST_NODE.0, OLDEST_NODE.1
    );
    let output = match Command::new(&tools.node).arg("--version").output() {
        Ok(output) => output,
        Err(error) => {
            return Err(format!("the web phone is built by Node, which does not run here ({error}); {mend}"));
        }
    };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST_NODE => Ok(()),
        _ => Err(format!("Node here is {version}, which is too old to build the web phone; {mend}")),
    }
}

fn execute(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("npm is missing ({error}); it comes with Node, or set {PREBUILT}"),
        _ => format!("cannot run {shown}: {error}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{shown} failed ({}):\n{}", output.status, String::from_utf8_lossy(&said)))
}

/// Writes the table of pages of a built phone.
pub(crate) fn write_pages(dist: &Path, target: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    collect(dist, "", &mut files)?;
    if !files.iter().any(|(path, _)| path == "/index.html") {
        return Err(format!(
            "{} holds no index.html; give {PREBUILT} the folder of a built phone",
            dist.display()
        ));
    }
    files.sort();
    let mut table = String::from("static PAGES: &[Page] = &[\n");
    for (path, file) in &files {
        let bytes = fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let file =
            fs::canonicalize(file).map_err(|error| format!("cannot find {}: {error}", file.display()))?;
        let content_type = content_type(path)?;
        let etag = format!("\"{}\"", hash(&bytes));
        // Vite puts what has a hash in its name, and nothing else, into `assets`.
        let immutable = path.starts_with("/assets/");
        table.push_str(&format!(
            "    Page {{ path: {path:?}, bytes: include_bytes!({file:?}), content_type: {content_type:?}, \
             etag: {etag:?}, immutable: {immutable} }},\n"
        ));
    }
    table.push_str("];\n");
    fs::write(target, table).map_err(|error| format!("cannot write {}: {error}", target.display()))
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), String> {
    let failed =
        |error: io::Error| format!("cannot read {}: {error}; is it a built phone?", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(failed)?.is_dir() {
            collect(&entry.path(), &path, files)?;
        } else {
            files.push((path, entry.path()));
        }
    }
    Ok(())
}

fn content_type(path: &str) -> Result<&'static str, String> {
    let extension = path.rsplit('.').next().unwrap_or_default();
    CONTENT_TYPES
        .iter()
        .find(|(known, _)| *known == extension)
        .map(|(_, content_type)| *content_type)
        .ok_or_else(|| {
            format!("{path}: no content type is known for .{extension}; add it in crates/server/build.rs")
        })
}

/// Changes when the bytes change. Not a defence: who can alter the bytes can alter the binary.
fn hash(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

const PREBUILT: &str = "RINGBACK_WEB_DIST";
const OLDEST_NODE: (u32, u32) = (20, 19);

/// What in `web/` does not make it into the phone: what npm, Vite and the tests write, and the tests themselves.
const NOT_INPUTS: &[&str] = &["README.md", "dist", "node_modules", "scripts", "test-results", "tests"];

const CONTENT_TYPES: &[(&str, &str)] = &[
    ("css", "text/css; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff2", "font/woff2"),
];
