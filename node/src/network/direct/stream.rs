//! The two ends of a direct stream.
//!
//! The accepting end first sends one byte. Until it has arrived the opener sends nothing, so a
//! stream that was opened but never accepted swallows no message. After it, bytes flow one way
//! only, and the opener reads just to notice the end.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::time::Duration;

use futures::future::{Either, select};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::super::{DIRECT_MAX, NetworkEvent, PeerKey};
use super::queue::Queue;

const READY: u8 = 1;
/// How long the other end may take to accept.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one batch, or the rest of a frame that has begun, may take.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(10);

/// A member's share of this node's attention, in bytes: at once, and per second after that. It is
/// far above what the protocol sends, and keeps one member from filling memory with large frames.
const SHARE_BURST: usize = 8 * 1024 * 1024;
const SHARE_PER_SECOND: usize = 16 * 1024 * 1024;

/// Why a stream ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Closed, broken or too slow: open another one.
    Broken(io::Error),
    /// The peer announced a frame beyond the limit.
    Oversize,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => write!(f, "broken: {error}"),
            Self::Oversize => write!(f, "a frame beyond the limit was announced"),
        }
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Sends what comes into the queue, until the stream breaks.
pub(super) async fn send<S>(stream: S, queue: &Queue) -> Result<Infallible, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut reader, mut writer) = stream.split();
    let mut byte = [0; 1];
    in_time(ACCEPT_TIMEOUT, reader.read_exact(&mut byte)).await?;
    if byte[0] != READY {
        return Err(broken(io::ErrorKind::InvalidData));
    }
    loop {
        let batch = {
            let next = std::pin::pin!(queue.batch());
            match select(next, reader.read(&mut byte)).await {
                Either::Left((batch, _)) => batch,
                Either::Right((Ok(0), _)) => return Err(broken(io::ErrorKind::UnexpectedEof)),
                Either::Right((Ok(_), _)) => return Err(broken(io::ErrorKind::InvalidData)),
                Either::Right((Err(error), _)) => return Err(error.into()),
            }
        };
        in_time(PROGRESS_TIMEOUT, async {
            writer.write_all(&batch).await?;
            writer.flush().await
        })
        .await?;
    }
}

/// Hands over what arrives, until the stream breaks. While the owner of the node does not take
/// events nothing is read, and the sender feels it.
pub(super) async fn receive<S>(
    mut stream: S,
    from: PeerKey,
    events: mpsc::Sender<NetworkEvent>,
) -> Result<Infallible, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(&[READY]).await?;
    stream.flush().await?;
    let mut share = Share::new();
    loop {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes(head) as usize;
        if length > DIRECT_MAX {
            return Err(Ended::Oversize);
        }
        share.take(length).await;
        let mut data = Vec::new();
        let body = (&mut stream).take(length as u64);
        in_time(PROGRESS_TIMEOUT, read_to_end(body, &mut data)).await?;
        if data.len() != length {
            return Err(broken(io::ErrorKind::UnexpectedEof));
        }
        if events.send(NetworkEvent::Direct { from, data }).await.is_err() {
            return Err(broken(io::ErrorKind::BrokenPipe));
        }
    }
}

/// What a member may still send now.
struct Share {
    left: usize,
    at: Instant,
}

impl Share {
    fn new() -> Self {
        Self { left: SHARE_BURST, at: Instant::now() }
    }

    /// Takes `bytes`, after a pause if there is not so much left.
    async fn take(&mut self, bytes: usize) {
        let wanted = bytes.min(SHARE_BURST);
        if self.left < wanted {
            self.refill();
        }
        if self.left < wanted {
            let missing = (wanted - self.left) as f64;
            sleep(Duration::from_secs_f64(missing / SHARE_PER_SECOND as f64)).await;
            self.refill();
        }
        self.left = self.left.saturating_sub(wanted);
    }

    fn refill(&mut self) {
        let now = Instant::now();
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * SHARE_PER_SECOND as f64;
        self.left = SHARE_BURST.min(self.left.saturating_add(earned as usize));
        self.at = now;
    }
}

/// The buffer grows with what arrives, so an announced length reserves nothing.
async fn read_to_end<R: AsyncRead + Unpin>(mut from: R, data: &mut Vec<u8>) -> io::Result<()> {
    from.read_to_end(data).await.map(|_| ())
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> Result<T, Ended> {
    match timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(broken(io::ErrorKind::TimedOut)),
    }
}

fn broken(kind: io::ErrorKind) -> Ended {
    Ended::Broken(kind.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arbitrary::near;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    /// A duplex pipe in the futures traits.
    struct Pipe(DuplexStream);

    impl AsyncRead for Pipe {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buffer: &mut [u8],
        ) -> std::task::Poll<io::Result<usize>> {
            let mut buffer = tokio::io::ReadBuf::new(buffer);
            let inner = std::pin::Pin::new(&mut self.0);
            std::task::ready!(tokio::io::AsyncRead::poll_read(inner, cx, &mut buffer))?;
            std::task::Poll::Ready(Ok(buffer.filled().len()))
        }
    }

    impl AsyncWrite for Pipe {
        fn poll_write(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            bytes: &[u8],
        ) -> std::task::Poll<io::Result<usize>> {
            tokio::io::AsyncWrite::poll_write(std::pin::Pin::new(&mut self.0), cx, bytes)
        }
        fn poll_flush(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            tokio::io::AsyncWrite::poll_flush(std::pin::Pin::new(&mut self.0), cx)
        }
        fn poll_close(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            tokio::io::AsyncWrite::poll_shutdown(std::pin::Pin::new(&mut self.0), cx)
        }
    }

    #[tokio::test]
    async fn frames_cross_in_order() {
        let (near, far) = duplex(64);
        let queue = Queue::default();
        for number in 0..100u8 {
            assert!(queue.push(vec![number; usize::from(number)]));
        }
        let (events, mut received) = mpsc::channel(1);
        let sender = async { send(Pipe(near), &queue).await };
        let receiver = receive(Pipe(far), [9; 32], events);
        let check = async {
            for number in 0..100u8 {
                let Some(NetworkEvent::Direct { from, data }) = received.recv().await else {
                    panic!("no message");
                };
                assert_eq!((from, data), ([9; 32], vec![number; usize::from(number)]));
            }
        };
        tokio::select! {
            end = sender => panic!("sender ended: {end:?}"),
            end = receiver => panic!("receiver ended: {end:?}"),
            () = check => {}
        }
    }

    #[tokio::test]
    async fn an_oversize_frame_is_refused_before_it_is_read() {
        let (mut near, far) = duplex(64);
        let (events, _received) = mpsc::channel(1);
        let length = DIRECT_MAX as u32 + 1;
        near.write_all(&length.to_be_bytes()).await.unwrap();
        let end = receive(Pipe(far), [0; 32], events).await;
        assert!(matches!(end, Err(Ended::Oversize)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_never_ends_is_given_up() {
        let (mut near, far) = duplex(64);
        let (events, _received) = mpsc::channel(1);
        near.write_all(&[0, 0, 0, 9, 1]).await.unwrap();
        let end = receive(Pipe(far), [0; 32], events).await;
        assert!(matches!(end, Err(Ended::Broken(error)) if error.kind() == io::ErrorKind::TimedOut));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_never_accepted_swallows_nothing() {
        let (near, _far) = duplex(64);
        let queue = Queue::default();
        assert!(queue.push(vec![1]));
        assert!(send(Pipe(near), &queue).await.is_err());
        assert_eq!(queue.batch().await, vec![0, 0, 0, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_reading_is_given_up() {
        let (near, mut far) = duplex(64);
        far.write_all(&[READY]).await.unwrap();
        let queue = Queue::default();
        assert!(queue.push(vec![1; 1000]));
        let end = send(Pipe(near), &queue).await;
        assert!(matches!(end, Err(Ended::Broken(error)) if error.kind() == io::ErrorKind::TimedOut));
        let mut begun = [0; 4];
        far.read_exact(&mut begun).await.unwrap();
        assert_eq!(u32::from_be_bytes(begun), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_gets_its_share_and_no_more() {
        let start = Instant::now();
        let mut share = Share::new();
        share.take(SHARE_BURST).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..4 {
            share.take(SHARE_BURST).await;
        }
        let fair = Duration::from_secs_f64(4.0 * SHARE_BURST as f64 / SHARE_PER_SECOND as f64);
        assert!(start.elapsed() >= fair && start.elapsed() < fair + Duration::from_millis(50));
    }

    #[tokio::test]
    async fn the_opener_notices_the_end_while_idle() {
        let (near, mut far) = duplex(64);
        far.write_all(&[READY]).await.unwrap();
        std::mem::drop(far);
        let end = send(Pipe(near), &Queue::default()).await;
        assert!(matches!(end, Err(Ended::Broken(error)) if error.kind() == io::ErrorKind::UnexpectedEof));
    }

    /// Feeds `bytes` and then the end to a receiver; gives what it hands over.
    fn received(bytes: &[u8]) -> Vec<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (mut near, far) = duplex(bytes.len() + 1);
            near.write_all(bytes).await.unwrap();
            near.shutdown().await.unwrap();
            let (events, mut messages) = mpsc::channel(bytes.len() + 1);
            assert!(receive(Pipe(far), [0; 32], events).await.is_err());
            let mut frames = Vec::new();
            while let Some(NetworkEvent::Direct { data, .. }) = messages.recv().await {
                frames.push(data);
            }
            frames
        })
    }

    proptest::proptest! {
        /// Whatever comes is whole frames up to an end, in order.
        #[test]
        fn any_bytes_are_frames_up_to_an_end(bytes in near(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9])) {
            let frames = received(&bytes);
            let framed = |data: &Vec<u8>| [(data.len() as u32).to_be_bytes().to_vec(), data.clone()].concat();
            let wire: Vec<u8> = frames.iter().flat_map(framed).collect();
            proptest::prop_assert!(bytes.starts_with(&wire));
        }
    }
}
