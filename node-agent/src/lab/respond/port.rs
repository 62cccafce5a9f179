//! What to answer on.
use crate::model::Protocol;
use std::fmt;
use std::str::FromStr;

/// A port and the name to answer with: `TCP/80=shop/web`; `SCTP/any=outside` is every port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Port {
    /// Protocol.
    pub protocol: Protocol,
    /// Number; `None`: every one (SCTP only).
    pub number: Option<u16>,
    /// The name.
    pub name: String,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{}/{number}={}", self.protocol, self.name),
            None => write!(f, "{}/any={}", self.protocol, self.name),
        }
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no port such as TCP/80=shop/web");
        let (protocol, rest) = text.split_once('/').ok_or_else(wrong)?;
        let (number, name) = rest.split_once('=').ok_or_else(wrong)?;
        let protocol = match protocol {
            "TCP" => Protocol::Tcp,
            "UDP" => Protocol::Udp,
            "SCTP" => Protocol::Sctp,
            _ => return Err(wrong()),
        };
        let number = match number {
            "any" if protocol == Protocol::Sctp => None,
            number => Some(number.parse().map_err(|_| wrong())?),
        };
        Ok(Self { protocol, number, name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_reads_as_it_is_written() {
        for text in ["TCP/80=shop/web", "UDP/53=kube-system/dns", "SCTP/any=outside"] {
            assert_eq!(text.parse::<Port>().unwrap().to_string(), text);
        }
        for text in ["TCP/any=x", "TCP/80", "ICMP/1=x", "TCP/70000=x"] {
            assert!(text.parse::<Port>().is_err(), "{text}");
        }
    }
}
