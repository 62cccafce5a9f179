//! `get=1`: the device as text.
use super::super::run::Device;
use std::fmt::Write;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// Everything, as the protocol has it, with `errno=0` at the end.
pub(super) async fn show(device: &Device) -> String {
    device
        .read(async |device| {
            let mut text = String::with_capacity(4096);
            if let Some(key) = device.private_key() {
                line(&mut text, "private_key", &*hex(&Zeroizing::new(key.to_bytes())));
            }
            line(&mut text, "listen_port", device.listen_port());
            if let Some(mark) = device.fwmark().filter(|mark| *mark != 0) {
                line(&mut text, "fwmark", mark);
            }
            for stats in device.peers().await {
                let (peer, stats) = (stats.peer, stats.stats);
                line(&mut text, "public_key", &*hex(peer.public_key.as_bytes()));
                if let Some(key) = peer.preshared_key.map(Zeroizing::new) {
                    line(&mut text, "preshared_key", &*hex(&key));
                }
                if let Some(endpoint) = peer.endpoint {
                    line(&mut text, "endpoint", endpoint);
                }
                if let Some(seconds) = peer.keepalive {
                    line(&mut text, "persistent_keepalive_interval", seconds);
                }
                let at = stats.last_handshake.and_then(|age| SystemTime::now().checked_sub(age));
                if let Some(at) = at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()) {
                    line(&mut text, "last_handshake_time_sec", at.as_secs());
                    line(&mut text, "last_handshake_time_nsec", at.subsec_nanos());
                }
                line(&mut text, "rx_bytes", stats.rx_bytes);
                line(&mut text, "tx_bytes", stats.tx_bytes);
                for network in peer.allowed_ips {
                    line(&mut text, "allowed_ip", network);
                }
            }
            text.push_str("errno=0\n");
            text
        })
        .await
}

fn line(text: &mut String, key: &str, value: impl std::fmt::Display) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{key}={value}");
}

fn hex(bytes: &[u8; 32]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(64));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
