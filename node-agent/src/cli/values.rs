//! Values of arguments that the standard library cannot read.
use ipnetwork::IpNetwork;
use std::time::Duration;

/// What one `--cluster-cidr` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Networks(pub(super) Vec<IpNetwork>);

/// CIDRs with commas between them. None at all is none: a variable that is set to nothing.
pub(super) fn networks(text: &str) -> Result<Networks, String> {
    let named = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let read = |name: &str| name.parse().map_err(|e| format!("{name:?} is no CIDR: {e}"));
    named.map(read).collect::<Result<_, _>>().map(Networks)
}

/// A number with one of s, m, h, d; a bare number is seconds.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => (&text[..at], unit),
        _ => (text, 's'),
    };
    let seconds = match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    let span = number.zip(seconds).and_then(|(number, seconds)| number.checked_mul(seconds));
    span.map(Duration::from_secs).ok_or_else(|| format!("{text:?} is no span of time: write 24h, 90m or 30s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_networks_may_be_empty_but_not_nonsense() {
        assert_eq!(networks("").unwrap(), Networks(Vec::new()));
        assert_eq!(networks("10.0.0.0/16, fd00::/48").unwrap().0.len(), 2);
        assert!(networks("10.0.0.0/16,here").unwrap_err().contains("here"));
    }

    #[test]
    fn a_span_of_time_has_a_unit_or_is_seconds() {
        assert_eq!(span("2h").unwrap(), Duration::from_secs(7200));
        assert_eq!(span("5").unwrap(), Duration::from_secs(5));
        assert!(span("soon").is_err());
    }
}
