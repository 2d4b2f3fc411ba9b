//! The microphone and the speaker of this machine.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{ErrorKind, FromSample, I24, SampleFormat, SizedSample, Stream, StreamConfig, U24};

use super::format::{choose, mono, spread};
use super::{Capture, DeviceError, Inlet, Outlet, Playout, SoundCounts, Which};

/// Calls a function for the type of a format's samples; `None` for one that has none.
macro_rules! in_format {
    ($format:expr, $build:ident($($argument:expr),*)) => {
        match $format {
            SampleFormat::I8 => Some($build::<i8>($($argument),*)),
            SampleFormat::I16 => Some($build::<i16>($($argument),*)),
            SampleFormat::I24 => Some($build::<I24>($($argument),*)),
            SampleFormat::I32 => Some($build::<i32>($($argument),*)),
            SampleFormat::I64 => Some($build::<i64>($($argument),*)),
            SampleFormat::U8 => Some($build::<u8>($($argument),*)),
            SampleFormat::U16 => Some($build::<u16>($($argument),*)),
            SampleFormat::U24 => Some($build::<U24>($($argument),*)),
            SampleFormat::U32 => Some($build::<u32>($($argument),*)),
            SampleFormat::U64 => Some($build::<u64>($($argument),*)),
            SampleFormat::F32 => Some($build::<f32>($($argument),*)),
            SampleFormat::F64 => Some($build::<f64>($($argument),*)),
            _ => None,
        }
    };
}

/// A microphone of this machine. It listens from [`Microphone::start`] until it is dropped.
pub struct Microphone {
    capture: Capture,
    running: Running,
}

/// A speaker of this machine. It plays until it is dropped.
pub struct Speaker {
    playout: Playout,
    running: Running,
}

impl Microphone {
    /// Says whether there is such a microphone; that it can be opened shows when it is.
    pub fn check(name: Option<&str>) -> Result<(), DeviceError> {
        find(Which::Microphone, name).map(drop)
    }

    /// Opens the default microphone, or one of a name. It does not listen yet.
    pub fn open(name: Option<&str>) -> Result<Microphone, DeviceError> {
        let (device, name) = find(Which::Microphone, name)?;
        let failed = |error: cpal::Error| unusable(Which::Microphone, &name, &error);
        let ranges = device.supported_input_configs().map_err(failed)?;
        let (config, format) =
            choose(ranges, Which::Microphone).ok_or_else(|| strange(Which::Microphone, &name))?;
        let (capture, inlet) =
            Capture::new(config.sample_rate).ok_or_else(|| strange(Which::Microphone, &name))?;
        let state = Arc::new(State::default());
        let stream = in_format!(format, listen(&device, config, inlet, &state));
        let stream = stream.ok_or_else(|| strange(Which::Microphone, &name))?.map_err(failed)?;
        let running = Running { which: Which::Microphone, name, stream: Some(stream), state, seen: None };
        Ok(Microphone { capture, running })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.running.name
    }

    /// Begins to listen.
    pub fn start(&mut self, now: Instant) -> Result<(), DeviceError> {
        self.running.play()?;
        self.capture.start(now);
        Ok(())
    }

    /// The next 20 ms, if they are due; nothing before [`Microphone::start`].
    pub fn poll_frame(&mut self, now: Instant) -> Option<&[i16]> {
        self.capture.poll_frame(now)
    }

    /// Why it gives nothing any more, once: it is silent from here on.
    pub fn poll_failure(&mut self, now: Instant) -> Option<DeviceError> {
        self.capture.poll_timeout()?;
        self.running.failure(now)
    }

    /// What has become of its sound.
    pub fn counts(&self) -> SoundCounts {
        SoundCounts { late: self.running.late(), ..self.capture.counts() }
    }
}

impl Speaker {
    /// Says whether there is such a speaker; that it can be opened shows when it is.
    pub fn check(name: Option<&str>) -> Result<(), DeviceError> {
        find(Which::Speaker, name).map(drop)
    }

    /// Opens the default speaker, or one of a name. It plays what its [`Speaker::playout`] is given.
    pub fn open(name: Option<&str>) -> Result<Speaker, DeviceError> {
        let (device, name) = find(Which::Speaker, name)?;
        let failed = |error: cpal::Error| unusable(Which::Speaker, &name, &error);
        let ranges = device.supported_output_configs().map_err(failed)?;
        let (config, format) =
            choose(ranges, Which::Speaker).ok_or_else(|| strange(Which::Speaker, &name))?;
        let (playout, outlet) =
            Playout::new(config.sample_rate).ok_or_else(|| strange(Which::Speaker, &name))?;
        let state = Arc::new(State::default());
        let stream = in_format!(format, play(&device, config, outlet, &state));
        let stream = stream.ok_or_else(|| strange(Which::Speaker, &name))?.map_err(failed)?;
        let running = Running { which: Which::Speaker, name, stream: Some(stream), state, seen: None };
        running.play()?;
        Ok(Speaker { playout, running })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.running.name
    }

    /// What it plays.
    pub fn playout(&mut self) -> &mut Playout {
        &mut self.playout
    }

    /// Why it takes nothing any more, once.
    pub fn poll_failure(&mut self, now: Instant) -> Option<DeviceError> {
        self.running.failure(now)
    }

    /// What has become of its sound.
    pub fn counts(&self) -> SoundCounts {
        SoundCounts { late: self.running.late(), ..self.playout.counts() }
    }
}

/// A device that is open.
struct Running {
    which: Which,
    name: String,
    /// None once it has failed.
    stream: Option<Stream>,
    state: Arc<State>,
    /// How often it was seen to have given or taken something, and when that was.
    seen: Option<(u64, Instant)>,
}

/// What the thread of a device tells ours.
#[derive(Default)]
struct State {
    turns: AtomicU64,
    late: AtomicU64,
    failure: OnceLock<String>,
    /// What it has complained of, and may go on from: a sound server does so while it gets going.
    trouble: OnceLock<String>,
}

impl State {
    /// On the thread of the device.
    fn fail(&self, error: &cpal::Error) {
        match error.kind() {
            ErrorKind::Xrun => {
                self.late.fetch_add(1, Ordering::Relaxed);
            }
            // It plays on, elsewhere or with less right to be in time.
            ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
            ErrorKind::BackendError | ErrorKind::DeviceBusy | ErrorKind::Other => {
                self.trouble.get_or_init(|| words(error));
            }
            _ => {
                self.failure.get_or_init(|| words(error));
            }
        }
    }
}

impl Running {
    fn play(&self) -> Result<(), DeviceError> {
        let played = self.stream.as_ref().map_or(Ok(()), Stream::play);
        played.map_err(|error| unusable(self.which, &self.name, &error))
    }

    /// Why it has failed, once; it is closed then.
    fn failure(&mut self, now: Instant) -> Option<DeviceError> {
        self.stream.as_ref()?;
        let failure = self.why(now)?;
        self.stream = None;
        Some(failure)
    }

    fn why(&mut self, now: Instant) -> Option<DeviceError> {
        let gone = |why: &str| DeviceError::Gone(self.which, self.name.clone(), why.to_owned());
        if let Some(why) = self.state.failure.get() {
            return Some(gone(why));
        }
        let turns = self.state.turns.load(Ordering::Relaxed);
        let (seen, at) = self.seen.filter(|(seen, _)| *seen == turns).unwrap_or((turns, now));
        self.seen = Some((seen, at));
        let still = now.saturating_duration_since(at);
        match self.state.trouble.get() {
            Some(why) if still > TROUBLED => Some(gone(why)),
            _ if still > STILL => Some(gone("it stands still; look whether the sound server is well")),
            _ => None,
        }
    }

    fn late(&self) -> u64 {
        self.state.late.load(Ordering::Relaxed)
    }
}

fn listen<T>(
    device: &cpal::Device,
    config: StreamConfig,
    mut inlet: Inlet,
    state: &Arc<State>,
) -> Result<Stream, cpal::Error>
where
    T: SizedSample,
    i16: FromSample<T>,
{
    let channels = usize::from(config.channels);
    let (own, other) = (state.clone(), state.clone());
    let take = move |samples: &[T], _: &cpal::InputCallbackInfo| {
        own.turns.fetch_add(1, Ordering::Relaxed);
        inlet.take(mono(samples, channels));
    };
    device.build_input_stream(config, take, move |error| other.fail(&error), None)
}

fn play<T>(
    device: &cpal::Device,
    config: StreamConfig,
    mut outlet: Outlet,
    state: &Arc<State>,
) -> Result<Stream, cpal::Error>
where
    T: SizedSample + FromSample<i16>,
{
    let channels = usize::from(config.channels);
    // A second is more than any device asks for at once.
    let mut frame = Vec::with_capacity(config.sample_rate as usize);
    let (own, other) = (state.clone(), state.clone());
    let give = move |samples: &mut [T], _: &cpal::OutputCallbackInfo| {
        own.turns.fetch_add(1, Ordering::Relaxed);
        frame.resize(samples.len() / channels.max(1), 0);
        outlet.fill(&mut frame);
        spread(&frame, channels, samples);
    };
    device.build_output_stream(config, give, move |error| other.fail(&error), None)
}

/// A device and what it is called: the default one, or the one of a name that a person gives: its whole name or
/// description, or a part of these that no other has.
fn find(which: Which, wanted: Option<&str>) -> Result<(cpal::Device, String), DeviceError> {
    quieten();
    // Its `default_host` panics where the library of the system's sound has no configuration.
    let id = cpal::available_hosts().into_iter().next().ok_or(DeviceError::Nothing(which))?;
    let host = cpal::host_from_id(id);
    let host = host.map_err(|error| unusable(which, wanted.unwrap_or("default"), &error))?;
    let Some(wanted) = wanted else {
        let device = match which {
            Which::Microphone => host.default_input_device(),
            Which::Speaker => host.default_output_device(),
        };
        let device = device.ok_or(DeviceError::Nothing(which))?;
        let name = described(&device).1;
        return Ok((device, name));
    };
    let devices = host.devices().map_err(|error| unusable(which, wanted, &error))?;
    let is_it = |device: &cpal::Device| match which {
        Which::Microphone => device.supports_input(),
        Which::Speaker => device.supports_output(),
    };
    let describe = |device| {
        let words = described(&device);
        (device, words)
    };
    let known: Vec<(cpal::Device, (String, String))> =
        devices.filter(is_it).take(MOST_DEVICES).map(describe).collect();
    let lower = wanted.to_lowercase();
    let is_whole = |(_, (id, words)): &&(_, (String, String))| {
        id.to_lowercase() == lower || words.to_lowercase() == lower
    };
    let is_part = |(_, (id, words)): &&(_, (String, String))| {
        id.to_lowercase().contains(&lower) || words.to_lowercase().contains(&lower)
    };
    let whole = known.iter().find(is_whole);
    let mut parts = known.iter().filter(is_part);
    let only = parts.next().filter(|_| parts.next().is_none());
    match whole.or(only) {
        Some((device, (id, _))) => Ok((device.clone(), id.clone())),
        None => {
            let names = known.iter().map(|(_, (id, words))| match id == words {
                true => format!("`{id}`"),
                false => format!("`{id}` ({words})"),
            });
            let names = names.collect::<Vec<_>>().join(", ");
            let names = if names.is_empty() { "none at all".to_owned() } else { names };
            Err(DeviceError::Unknown(which, wanted.to_owned(), names))
        }
    }
}

/// What a device is known by, and what it says of itself.
fn described(device: &cpal::Device) -> (String, String) {
    let id = device.id().map(|id| id.id().to_owned()).unwrap_or_default();
    let words = device.description().map(|words| words.name().to_owned()).unwrap_or_default();
    let id = if id.is_empty() { words.clone() } else { id };
    let words = if words.is_empty() { id.clone() } else { words };
    (id, words)
}

fn unusable(which: Which, name: &str, error: &cpal::Error) -> DeviceError {
    DeviceError::Unusable(which, name.to_owned(), words(error))
}

fn strange(which: Which, name: &str) -> DeviceError {
    let why = "it has no rate and no format that can be converted; name another one";
    DeviceError::Unusable(which, name.to_owned(), why.to_owned())
}

/// What went wrong, with the mend.
fn words(error: &cpal::Error) -> String {
    let words = match error.kind() {
        ErrorKind::DeviceBusy => "another program has it; close that, or name another one",
        ErrorKind::DeviceNotAvailable | ErrorKind::StreamInvalidated => {
            "it is not there; plug it in, or start the sound server"
        }
        ErrorKind::HostUnavailable => "the sound of this machine cannot be reached; start the sound server",
        ErrorKind::PermissionDenied => "this user may not use it; the group `audio` may",
        ErrorKind::UnsupportedConfig | ErrorKind::UnsupportedOperation => {
            "it does not do what it says it does; name another one"
        }
        _ => return format!("{error}; name another one, or look whether the sound server is well"),
    };
    words.to_owned()
}

/// Has the library of the system's sound keep to itself what it would write to standard error: what matters of it is in our
/// sentence.
fn quieten() {
    #[cfg(target_os = "linux")]
    drop(alsa::Output::local_error_handler());
}

/// How long a device may neither give nor take anything, and how long after it has complained.
const STILL: Duration = Duration::from_secs(3);
const TROUBLED: Duration = Duration::from_secs(1);

/// Devices that are looked at when one is named.
const MOST_DEVICES: usize = 256;
