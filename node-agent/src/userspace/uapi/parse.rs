//! Requests as values. Errors name the key of a line, never its value, which may be secret.
use ipnetwork::IpNetwork;
use std::net::SocketAddr;
use std::str::FromStr;
use zeroize::Zeroizing;

/// What is asked.
#[derive(Debug)]
pub(super) enum Request {
    Get,
    Set(Box<Set>),
    Refused,
}

/// A change.
#[derive(Default)]
pub(super) struct Set {
    pub(super) private_key: Option<Zeroizing<[u8; 32]>>,
    pub(super) listen_port: Option<u16>,
    /// 0 is off.
    pub(super) fwmark: Option<u32>,
    pub(super) replace_peers: bool,
    pub(super) peers: Vec<SetPeer>,
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Set({} peers, ..)", self.peers.len())
    }
}

/// A change of one peer.
#[derive(Default)]
pub(super) struct SetPeer {
    pub(super) public_key: [u8; 32],
    pub(super) remove: bool,
    pub(super) update_only: bool,
    pub(super) replace_allowed_ips: bool,
    /// All zero: none from now on.
    pub(super) preshared_key: Option<Zeroizing<[u8; 32]>>,
    pub(super) endpoint: Option<SocketAddr>,
    pub(super) keepalive: Option<u16>,
    pub(super) allowed: Vec<IpNetwork>,
}

/// What is wrong with a request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseError {
    #[error("neither get=1 nor set=1")]
    Operation,
    #[error("line {line} is no KEY=VALUE")]
    Line { line: usize },
    #[error("line {line}: the value of {key} is not valid")]
    Value { line: usize, key: &'static str },
    #[error("line {line}: a key that is not known here")]
    Key { line: usize },
}

/// Reads a request, with or without the empty line at its end.
pub(super) fn parse(text: &str) -> Result<Request, ParseError> {
    let mut lines = text.lines().take_while(|line| !line.is_empty()).enumerate();
    match lines.next() {
        Some((_, "get=1")) => return Ok(Request::Get),
        Some((_, "refused=1")) => return Ok(Request::Refused),
        Some((_, "set=1")) => {}
        _ => return Err(ParseError::Operation),
    }
    let mut set = Set::default();
    for (index, line) in lines {
        let line_number = index + 1;
        let (key, value) = line.split_once('=').ok_or(ParseError::Line { line: line_number })?;
        let bad = |key| ParseError::Value { line: line_number, key };
        let known = match set.peers.last_mut() {
            _ if key == "public_key" => {
                let public_key = *hex_key(value).ok_or(bad("public_key"))?;
                set.peers.push(SetPeer { public_key, ..SetPeer::default() });
                true
            }
            None => device_line(&mut set, key, value).map_err(bad)?,
            Some(peer) => peer_line(peer, key, value).map_err(bad)?,
        };
        if !known {
            return Err(ParseError::Key { line: line_number });
        }
    }
    Ok(Request::Set(Box::new(set)))
}

fn device_line(set: &mut Set, key: &str, value: &str) -> Result<bool, &'static str> {
    match key {
        "private_key" => set.private_key = Some(hex_key(value).ok_or("private_key")?),
        "listen_port" => set.listen_port = Some(number(value).ok_or("listen_port")?),
        "fwmark" if value.is_empty() => set.fwmark = Some(0),
        "fwmark" => set.fwmark = Some(number(value).ok_or("fwmark")?),
        "replace_peers" => set.replace_peers = truth(value).ok_or("replace_peers")?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn peer_line(peer: &mut SetPeer, key: &str, value: &str) -> Result<bool, &'static str> {
    match key {
        "remove" => peer.remove = truth(value).ok_or("remove")?,
        "update_only" => peer.update_only = truth(value).ok_or("update_only")?,
        "replace_allowed_ips" => peer.replace_allowed_ips = truth(value).ok_or("replace_allowed_ips")?,
        "preshared_key" => peer.preshared_key = Some(hex_key(value).ok_or("preshared_key")?),
        "endpoint" => peer.endpoint = Some(number(value).ok_or("endpoint")?),
        "persistent_keepalive_interval" => {
            peer.keepalive = Some(number(value).ok_or("persistent_keepalive_interval")?);
        }
        "allowed_ip" => peer.allowed.push(network(value).ok_or("allowed_ip")?),
        "protocol_version" if value == "1" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

/// ADDRESS/PREFIX; host bits are masked, as the kernel does.
fn network(value: &str) -> Option<IpNetwork> {
    let (address, prefix) = value.split_once('/')?;
    let network = IpNetwork::new(address.parse().ok()?, prefix.parse().ok()?).ok()?;
    IpNetwork::new(network.network(), network.prefix()).ok()
}

fn number<T: FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

fn truth(value: &str) -> Option<bool> {
    (value == "true").then_some(true)
}

/// 64 hexadecimal digits.
fn hex_key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut key = Zeroizing::new([0; 32]);
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(key)
}
