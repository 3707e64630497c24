//! The JSON form of a beacon, and server-sent events.

use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{Beacon, Header};
use beacon_spec::hash::Digest32;
use beacon_spec::reject::Reject;
use serde::{Deserialize, Serialize};

use crate::refusal::{Reason, Refusal};

/// A beacon as servers and this client write it in JSON: the fields people look for stand in front.
#[derive(Serialize, Deserialize)]
pub struct BeaconJson {
    #[serde(with = "beacon_spec::codec::number")]
    pub round: u64,
    pub hash: Digest32,
    #[serde(with = "beacon_spec::codec::number")]
    pub due: u64,
    pub output: Digest32,
    pub header: Header,
    pub certificate: Certificate,
}

impl BeaconJson {
    pub fn new(beacon: &Beacon) -> Self {
        let header = beacon.header.clone();
        BeaconJson {
            round: header.round,
            hash: header.hash(),
            due: header.due,
            output: header.output,
            header,
            certificate: beacon.certificate.clone(),
        }
    }
}

/// Reads the JSON of one beacon and holds the fields in front against its header.
pub fn read_beacon(text: &[u8]) -> Result<Beacon, Refusal> {
    let refused = |reason| Refusal::new(reason, "pushed beacon");
    let json: BeaconJson = serde_json::from_slice(text).map_err(|_| refused(Reason::BadJson))?;
    let header = json.header;
    let differs = [
        ("round", header.round != json.round),
        ("due", header.due != json.due),
        ("output", header.output != json.output),
        ("hash", header.hash() != json.hash),
    ];
    match differs.iter().find(|(_, differs)| *differs) {
        Some((field, _)) => Err(refused(Reason::Inconsistent).field(field)),
        None => Ok(Beacon { header, certificate: json.certificate }),
    }
}

/// The longest line of an event stream: a beacon of 512 members takes about 50 kB.
const MAX_LINE: usize = 128 << 10;

/// One event of a stream of server-sent events (WHATWG HTML, section 9.2).
#[derive(Debug, PartialEq, Eq)]
pub enum SseEvent {
    /// A comment line.
    Comment,
    /// An event's name and data.
    Event { name: Vec<u8>, data: Vec<u8> },
}

/// Cuts bytes into server-sent events, in bounded memory.
#[derive(Default)]
pub struct SseParser {
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
}

impl SseParser {
    /// Takes the next bytes and gives the events they complete. A line or an event of more than 128 KiB is refused.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, Refusal> {
        let mut events = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' if self.after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()?),
                _ if self.line.len() == MAX_LINE => return Err(too_long()),
                _ => self.line.push(*byte),
            }
            self.after_cr = *byte == b'\r';
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Result<Option<SseEvent>, Refusal> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let event = SseEvent::Event { name: std::mem::take(&mut self.name), data: std::mem::take(&mut self.data) };
            return Ok(std::mem::take(&mut self.has_data).then_some(event));
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(0) => return Ok(Some(SseEvent::Comment)),
            Some(colon) => (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..])),
            None => (line.as_slice(), [].as_slice()),
        };
        match field {
            b"event" => self.name = value.to_vec(),
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                if self.data.len() + value.len() > MAX_LINE {
                    return Err(too_long());
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            // `id` repeats the round, `retry` is the client's own business; others are for later.
            _ => {}
        }
        Ok(None)
    }
}

fn too_long() -> Refusal {
    Refusal::new(Reject::TooLong, "line of an event stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&[u8]]) -> Vec<SseEvent> {
        let mut parser = SseParser::default();
        chunks.iter().flat_map(|chunk| parser.push(chunk).expect("short lines")).collect()
    }

    fn event(name: &str, data: &str) -> SseEvent {
        SseEvent::Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_cut_wherever_the_bytes_are() {
        let text = b":hello\nevent: beacon\nid: 7\ndata: a\ndata:b\n\ndata\r\n\r\nevent:x\n\n: \r\n\ndata: z\n\n";
        let expected =
            vec![SseEvent::Comment, event("beacon", "a\nb"), event("", ""), SseEvent::Comment, event("", "z")];
        assert_eq!(all(&[text]), expected);
        for cut in 0..text.len() {
            assert_eq!(all(&[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn endless_lines_and_endless_events_are_refused() {
        let mut parser = SseParser::default();
        let verdict = (0..200).try_for_each(|_| parser.push(&[b'a'; 1024]).map(|_| ()));
        assert_eq!(verdict.map_err(|refusal| refusal.code()), Err("too-long"));
        let mut parser = SseParser::default();
        let verdict =
            (0..200).try_for_each(|_| parser.push(&[b"data:", [b'a'; 1024].as_slice(), b"\n"].concat()).map(|_| ()));
        assert_eq!(verdict.map_err(|refusal| refusal.code()), Err("too-long"));
    }
}
