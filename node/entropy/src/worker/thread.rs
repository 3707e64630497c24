//! The loop of one worker's thread.

use super::monitored::{Cell, Monitored};
use super::report::{Drawn, Material};
use super::{Limits, WorkerSpec};
use crate::mix::MIN_CONTRIBUTION;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use zeroize::Zeroizing;

/// What a thread may be asked.
pub(super) enum Request {
    Contribute {
        /// No further source is begun after this.
        begin_before: Instant,
        /// Nobody waits any more after this.
        until: Instant,
        noise_only: bool,
        reply: Sender<Answer>,
    },
    Read {
        count: usize,
        until: Instant,
        reply: Sender<Zeroizing<Vec<u8>>>,
    },
    /// Ends the thread as a crash would; the supervisor replaces it.
    Die,
}

/// A worker's reply to `Contribute`.
pub(super) struct Answer {
    pub worker: u32,
    pub material: Result<Material, Vec<Drawn>>,
}

/// How a thread ended.
#[derive(Debug)]
pub(super) enum Ending {
    Stopped,
    Killed,
    Panicked { message: String, source: Option<usize> },
}

pub(super) struct Exit {
    pub worker: u32,
    pub generation: u64,
    pub ending: Ending,
}

/// State shared by the slot and its successive threads.
#[derive(Debug)]
pub(super) struct Shared {
    /// The generation allowed to work; an older thread ends.
    pub generation: AtomicU64,
    /// Which source the current thread is in, since when.
    pub beat: Mutex<Option<(usize, Instant)>>,
    pub cells: Vec<Arc<Cell>>,
    /// Sources whose first start-up test is still running.
    pub starting: AtomicUsize,
}

impl Shared {
    pub(super) fn beat(&self) -> Option<(usize, Instant)> {
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_beat(&self, beat: Option<(usize, Instant)>) {
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = beat;
    }
}

pub(super) struct Thread {
    pub worker: u32,
    pub generation: u64,
    pub spec: WorkerSpec,
    pub limits: Limits,
    pub shared: Arc<Shared>,
    pub requests: Receiver<Request>,
}

impl Thread {
    /// Runs to the end and says how it ended. Panics of sources stop here.
    pub(super) fn run(self) -> Exit {
        let Thread { worker, generation, .. } = self;
        let shared = Arc::clone(&self.shared);
        let ending = match catch_unwind(AssertUnwindSafe(|| self.serve())) {
            Ok(ending) => ending,
            Err(payload) => {
                let text = payload
                    .downcast_ref::<&str>()
                    .map(|s| (*s).to_owned())
                    .or_else(|| payload.downcast_ref::<String>().cloned());
                let source = shared.beat().map(|(position, _)| position);
                Ending::Panicked { message: text.unwrap_or_else(|| "panic".to_owned()), source }
            }
        };
        Exit { worker, generation, ending }
    }

    fn serve(&self) -> Ending {
        let mut sources = Vec::with_capacity(self.spec.sources.len());
        for (position, (spec, cell)) in self.spec.sources.iter().zip(&self.shared.cells).enumerate() {
            let build = || Monitored::new(spec, Arc::clone(cell), self.limits);
            let Some(source) = self.within(position, build) else { return Ending::Stopped };
            sources.push(source);
        }
        loop {
            let starting = sources.iter().filter(|s| s.wants_startup()).count();
            self.shared.starting.store(starting, Ordering::Release);
            let request = if starting > 0 {
                match self.requests.try_recv() {
                    Ok(request) => request,
                    Err(TryRecvError::Disconnected) => return Ending::Stopped,
                    Err(TryRecvError::Empty) => {
                        if !self.advance_startup(&mut sources) {
                            return Ending::Stopped;
                        }
                        continue;
                    }
                }
            } else {
                match self.requests.recv() {
                    Ok(request) => request,
                    Err(_) => return Ending::Stopped,
                }
            };
            match request {
                Request::Die => return Ending::Killed,
                request => {
                    if !self.answer(request, &mut sources) {
                        return Ending::Stopped;
                    }
                }
            }
        }
    }

    /// Calls into a source under the watch of the supervisor; `None` when this thread was
    /// abandoned meanwhile.
    fn within<T>(&self, position: usize, call: impl FnOnce() -> T) -> Option<T> {
        if !self.current() {
            return None;
        }
        self.shared.set_beat(Some((position, Instant::now())));
        let result = call();
        if !self.current() {
            return None;
        }
        self.shared.set_beat(None);
        Some(result)
    }

    fn current(&self) -> bool {
        self.shared.generation.load(Ordering::Acquire) == self.generation
    }

    fn advance_startup(&self, sources: &mut [Monitored]) -> bool {
        match sources.iter_mut().enumerate().find(|(_, source)| source.wants_startup()) {
            Some((position, source)) => self.within(position, || source.startup_slice()).is_some(),
            None => true,
        }
    }

    /// Whether this thread is still the current one.
    fn answer(&self, request: Request, sources: &mut [Monitored]) -> bool {
        match request {
            Request::Contribute { begin_before, until, noise_only, reply } => {
                if until < Instant::now() {
                    return true;
                }
                let Some(answer) = self.contribute(begin_before, noise_only, sources) else { return false };
                // The caller may have left at its deadline; its loss is not an error.
                let _ = reply.send(answer);
                true
            }
            Request::Read { count, until, reply } => self.read(count, until, &reply, sources),
            Request::Die => true,
        }
    }

    fn contribute(&self, begin_before: Instant, noise_only: bool, sources: &mut [Monitored]) -> Option<Answer> {
        let mut bytes = Zeroizing::new(Vec::new());
        let mut drawn = Vec::with_capacity(sources.len());
        let mut payload = 0usize;
        let enough = if noise_only { 1 } else { MIN_CONTRIBUTION };
        for (position, source) in sources.iter_mut().enumerate() {
            if payload >= enough && Instant::now() >= begin_before {
                break;
            }
            if noise_only && !source.is_noise() {
                continue;
            }
            let Some((report, part)) = self.within(position, || source.contribute())? else {
                continue;
            };
            // A worker has far fewer than 2^16 sources and a burst far fewer than 2^32 bytes.
            let tag = u16::try_from(position).unwrap_or(u16::MAX);
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            if !part.is_empty() {
                bytes.extend_from_slice(&tag.to_be_bytes());
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(&part);
                payload += part.len();
            }
            drawn.push(report);
        }
        let material = if payload < enough { Err(drawn) } else { Ok(Material { worker: self.worker, bytes, drawn }) };
        Some(Answer { worker: self.worker, material })
    }

    fn read(
        &self,
        count: usize,
        until: Instant,
        reply: &Sender<Zeroizing<Vec<u8>>>,
        sources: &mut [Monitored],
    ) -> bool {
        let mut bytes = Zeroizing::new(Vec::with_capacity(count));
        while bytes.len() < count && Instant::now() < until {
            let before = bytes.len();
            for (position, source) in sources.iter_mut().enumerate() {
                let want = (count - bytes.len()).min(4096);
                if want == 0 {
                    break;
                }
                match self.within(position, || source.read(want)) {
                    None => return false,
                    Some(Some(part)) => bytes.extend_from_slice(&part),
                    Some(None) => {}
                }
            }
            if bytes.len() == before {
                break;
            }
        }
        let _ = reply.send(bytes);
        true
    }
}
