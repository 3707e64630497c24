//! THE loop: one task owns the engine; everything reaches it as an input.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use beacon_engine::batch::Seq;
use beacon_engine::engine::Engine;
use beacon_engine::event::{Fault, Input, Message, Recipient, RequestId, Response, Step};
use beacon_spec::chain::Header;
use beacon_spec::codec::{Limits, decode};
use beacon_spec::gossip::GOSSIP_MAX;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::IdentityKey;
use beacon_spec::schedule::Schedule;

use super::effects::{kind, topic};
use super::error::ShellError;
use super::work::{Completion, Workshop};
use crate::cli::Prepared;
use crate::clock;
use crate::http::health::NodeStatus;
use crate::http::{Asked, PublicApi};
use crate::metrics::Metrics;
use crate::network::{self, DIRECT_MAX, Network, NetworkEvent, Offence, RESPONSE_MAX, Topic, ValidationToken, Verdict};
use crate::store::{StoreError, Writer};

/// How often the status is refreshed when nothing else happens.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// What the loop works with.
pub struct Parts {
    pub engine: Engine,
    pub network: Network,
    pub writer: Writer,
    pub workshop: Workshop,
    pub api: PublicApi,
    pub metrics: Metrics,
    pub status: watch::Sender<NodeStatus>,
}

/// What the loop listens to.
pub struct Sources {
    pub events: mpsc::Receiver<NetworkEvent>,
    pub done: mpsc::UnboundedReceiver<Completion>,
    pub ordered: mpsc::Receiver<Asked>,
}

/// What the loop knows of its node.
pub struct About {
    identity: IdentityKey,
    chain: Digest32,
    schedule: Schedule,
    withheld: PathBuf,
}

impl About {
    pub fn of(prepared: &Prepared) -> Self {
        About {
            identity: prepared.identity,
            chain: prepared.sealed.chain,
            schedule: prepared.sealed.genesis.draft.parameters.schedule,
            withheld: prepared.withheld_file.clone(),
        }
    }
}

pub struct Driver {
    pub(super) engine: Engine,
    pub(super) network: Network,
    pub(super) writer: Writer,
    pub(super) workshop: Workshop,
    pub(super) api: PublicApi,
    pub(super) metrics: Metrics,
    pub(super) status: watch::Sender<NodeStatus>,
    pub(super) identity: IdentityKey,
    pub(super) chain: Digest32,
    pub(super) schedule: Schedule,
    pub(super) members: Vec<IdentityKey>,
    /// Every batch up to this one is on disk.
    pub(super) durable: Seq,
    /// Messages that wait for the disk, in order.
    pub(super) held: VecDeque<(Seq, Recipient, Message)>,
    pub(super) requests: BTreeMap<network::RequestId, RequestId>,
    pub(super) withheld: PathBuf,
    /// The newest epoch whose committee is served.
    pub(super) served_epoch: u64,
    /// The newest round's header, once one came to this process.
    pub(super) newest: Option<Header>,
    /// Whether the operator has been told of a clock far from the peers'.
    pub(super) clock_warned: bool,
    /// The disk has failed: nothing is written any more.
    pub(super) writer_stopped: bool,
}

impl Driver {
    pub fn new(parts: Parts, about: About) -> Self {
        let Parts { engine, network, writer, workshop, api, metrics, status } = parts;
        Driver {
            engine,
            network,
            writer,
            workshop,
            api,
            metrics,
            status,
            identity: about.identity,
            chain: about.chain,
            schedule: about.schedule,
            members: Vec::new(),
            durable: 0,
            held: VecDeque::new(),
            requests: BTreeMap::new(),
            withheld: about.withheld,
            served_epoch: 1,
            newest: None,
            clock_warned: false,
            writer_stopped: false,
        }
    }

    /// Runs until `stop` resolves, the engine halts or the disk fails.
    pub async fn run(
        &mut self,
        first: Step,
        mut sources: Sources,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ShellError> {
        let mut stop = pin!(stop);
        let mut refresh = tokio::time::interval(STATUS_EVERY);
        self.execute(first)?;
        loop {
            let wait = self.engine.deadline().map(clock::until);
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                Some(completion) = sources.done.recv() => self.on_completion(completion)?,
                event = sources.events.recv() => match event {
                    Some(event) => self.on_event(event)?,
                    None => return Err(ShellError::NetworkStopped),
                },
                Some(asked) = sources.ordered.recv() => self.on_order(asked)?,
                () = sleep(wait) => drop(self.step(Input::Tick)?),
                _ = refresh.tick() => self.refresh(),
            }
            if self.writer_stopped {
                return Err(why_it_stopped(&mut sources.done));
            }
        }
    }

    /// Waits until everything handed to the disk is written.
    pub fn close(&self) {
        self.writer.close();
    }

    /// One step of the engine and its effects; gives whether the message it was given may be passed on.
    pub(super) fn step(&mut self, input: Input) -> Result<Verdict, ShellError> {
        let name = input_name(&input);
        let sender = match &input {
            Input::Message { from, .. } => Some(*from),
            _ => None,
        };
        let begun = Instant::now();
        let step = self.engine.step(clock::now(), input);
        self.metrics.step(name, begun.elapsed());
        let guilty = |fault: &Fault| matches!(fault, Fault::Peer { peer, .. } if Some(*peer) == sender);
        let verdict = match (step.faults.iter().any(guilty), step.relay) {
            (true, _) => Verdict::Reject,
            (false, true) => Verdict::Accept,
            (false, false) => Verdict::Ignore,
        };
        self.execute(step)?;
        Ok(verdict)
    }

    fn on_completion(&mut self, completion: Completion) -> Result<(), ShellError> {
        let input = match completion {
            Completion::Job(result) => Input::Done(result),
            Completion::Entropy { window, bytes } => Input::Entropy { window, bytes },
            Completion::Durable { seq, took } => {
                self.metrics.persisted(took);
                self.durable = self.durable.max(seq);
                self.release();
                Input::Durable(seq)
            }
            Completion::Bundle { bundle, secrets } => {
                tracing::info!(
                    epoch = bundle.epoch,
                    tickets = bundle.ticket_keys.len(),
                    "keys for the next epoch are made"
                );
                Input::Bundle { bundle: Box::new(bundle), secrets }
            }
            Completion::DiskFailed(error) => return Err(error.into()),
            Completion::KeysFailed(error) => return Err(ShellError::Keys(error)),
        };
        self.step(input).map(drop)
    }

    fn on_event(&mut self, event: NetworkEvent) -> Result<(), ShellError> {
        match event {
            NetworkEvent::Listening(address) => tracing::info!(address, "listening for peers"),
            NetworkEvent::PeerUp(peer) => drop(self.step(Input::PeerUp(IdentityKey(peer)))?),
            NetworkEvent::PeerDown(peer) => drop(self.step(Input::PeerDown(IdentityKey(peer)))?),
            NetworkEvent::Gossip { from, topic, data, validation } => {
                self.on_gossip(IdentityKey(from), topic, &data, validation)?;
            }
            NetworkEvent::Direct { from, data } => match decode::<Message>(&data, &Limits::bytes(DIRECT_MAX)) {
                Ok(message) => {
                    self.metrics.message(kind(&message), true, data.len());
                    self.step(Input::Message { from: IdentityKey(from), message })?;
                }
                Err(_) => self.network.report(from, Offence::InvalidMessage),
            },
            NetworkEvent::Request { from, channel, data } => self.workshop.answer(from, channel, data),
            NetworkEvent::Public { channel, path } => self.workshop.show(channel, path),
            NetworkEvent::Draw { from, channel } => self.workshop.give(from, channel),
            NetworkEvent::Response { id, from, result } => {
                if let Some(id) = self.requests.remove(&id) {
                    let bytes = result.ok();
                    let response =
                        bytes.and_then(|bytes| decode::<Response>(&bytes, &Limits::bytes(RESPONSE_MAX)).ok());
                    self.metrics.request(if response.is_some() { "answered" } else { "failed" });
                    let response = response.map(Box::new);
                    self.step(Input::Response { id, from: IdentityKey(from), response })?;
                }
            }
        }
        Ok(())
    }

    fn on_gossip(
        &mut self,
        from: IdentityKey,
        on: Topic,
        data: &[u8],
        validation: ValidationToken,
    ) -> Result<(), ShellError> {
        let message = decode::<Message>(data, &Limits::bytes(GOSSIP_MAX)).ok();
        let verdict = match message.filter(|message| topic(message) == Some(on)) {
            Some(message) => {
                self.metrics.message(kind(&message), true, data.len());
                self.step(Input::Message { from, message })?
            }
            None => {
                self.network.report(from.0, Offence::InvalidMessage);
                Verdict::Reject
            }
        };
        self.network.validate(validation, verdict);
        Ok(())
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

fn input_name(input: &Input) -> &'static str {
    match input {
        Input::Tick => "tick",
        Input::Message { .. } => "message",
        Input::PeerUp(_) | Input::PeerDown(_) => "peer",
        Input::Entropy { .. } => "entropy",
        Input::Done(_) => "job",
        Input::Durable(_) => "durable",
        Input::Response { .. } => "response",
        Input::Bundle { .. } => "bundle",
        Input::Amendment(_) => "amendment",
    }
}

/// The writer reports a failure before it stops, so the reason stands in the queue; but for a panic, which has logged it.
fn why_it_stopped(done: &mut mpsc::UnboundedReceiver<Completion>) -> ShellError {
    while let Ok(completion) = done.try_recv() {
        if let Completion::DiskFailed(error) = completion {
            return error.into();
        }
    }
    StoreError::WriterStopped.into()
}
