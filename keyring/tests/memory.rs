//! A dropped key is nowhere in the memory of the process, neither its bytes nor their base64: what a core dump
//! would show. One test to a process, so that no other writes keys meanwhile.

#![expect(clippy::unwrap_used, reason = "a test tool: what cannot be unwrapped fails the test")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;
use std::thread;

use ringfence_keyring::{Epoch, KeyStore, PairKey, Plane, PlaneKeys, PresharedKey, PrivateKey};
use zeroize::{Zeroize, Zeroizing};

const MASK: u8 = 0x5a;
/// A quarter of a key is enough to count as found: 64 bits are not there by chance.
const WINDOW: usize = 8;

/// A secret to search for, disguised so that the search does not find itself.
struct Sought {
    name: String,
    disguised: Vec<u8>,
}

impl Sought {
    fn of(name: &str, bytes: &[u8; 32], base64: &Zeroizing<String>) -> [Sought; 2] {
        let disguise = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ MASK).collect();
        [
            Sought { name: format!("{name} bytes"), disguised: disguise(bytes) },
            Sought { name: format!("{name} base64"), disguised: disguise(base64.as_bytes()) },
        ]
    }

    fn of_private(name: &str, key: &PrivateKey) -> [Sought; 2] {
        Sought::of(name, key.expose_bytes(), &key.expose_base64())
    }

    fn is_in(&self, memory: &[u8]) -> bool {
        let (parts, _) = self.disguised.as_chunks::<WINDOW>();
        parts.iter().any(|part| memory.windows(WINDOW).any(|window| is_disguise(part, window)))
    }
}

fn is_disguise(part: &[u8; WINDOW], window: &[u8]) -> bool {
    window[0] ^ MASK == part[0] && window.iter().zip(part).all(|(byte, sought)| byte ^ MASK == *sought)
}

/// Which of the secrets are in any writable memory of this process.
fn found(sought: &[Sought]) -> Vec<&str> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    let mut seen = vec![false; sought.len()];
    let mut searched = 0;
    // A page: most were never touched, and those are passed over. Each overlaps the next by a window.
    let mut piece = Zeroizing::new(vec![0; 4 * 1024]);
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let (mut at, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        while at < end {
            let length = piece.len().min((end - at) as usize);
            // The reading buffer holds a copy of what was last read into it.
            piece.as_mut_slice().zeroize();
            let Ok(read) = memory.read_at(&mut piece[..length], at) else { break };
            searched += read;
            if piece[..read].iter().any(|byte| *byte != 0) {
                for (one, seen) in sought.iter().zip(&mut seen) {
                    *seen = *seen || one.is_in(&piece[..read]);
                }
            }
            if read == 0 || at + read as u64 >= end {
                break;
            }
            at += (read - WINDOW) as u64;
        }
    }
    assert!(searched > 100 * 1024, "the search must have read the memory");
    sought.iter().zip(seen).filter(|(_, seen)| *seen).map(|(one, _)| one.name.as_str()).collect()
}

fn sought_in(keys: &PlaneKeys, name: &str) -> Vec<Sought> {
    Plane::ALL
        .into_iter()
        .flat_map(|plane| Sought::of_private(&format!("{name} {plane}"), keys.get(plane).private()))
        .collect()
}

#[inline(never)]
fn leave_a_copy(bytes: &[u8; 32]) {
    std::hint::black_box(*bytes);
}

/// Runs `work` far down the stack of a thread of its own, and `search` while that stack lies there as `work`
/// left it: done here, the search would overwrite what it should find.
fn after<T: Send>(work: impl FnOnce() -> T + Send, search: impl FnOnce(&T)) {
    #[inline(never)]
    fn deep<T>(frames: usize, work: impl FnOnce() -> T) -> T {
        let frame = std::hint::black_box([frames as u8; 16 * 1024]);
        let result = if frames == 0 { work() } else { deep_again(frames, work) };
        std::hint::black_box(frame);
        result
    }
    fn deep_again<T>(frames: usize, work: impl FnOnce() -> T) -> T {
        deep(frames - 1, work)
    }
    let (done, results) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            done.send(deep(4, work)).unwrap();
            // Until the other end goes.
            let _ = released.recv();
        });
        search(&results.recv().unwrap());
        drop(release);
    });
}

#[test]
fn keys_leave_no_trace_in_memory_once_dropped() {
    let generated = PrivateKey::generate().unwrap();
    let mut sought = Vec::from(Sought::of_private("generated", &generated));
    let preshared = PresharedKey::generate().unwrap();
    sought.extend(Sought::of("preshared", preshared.expose_bytes(), &preshared.expose_base64()));
    // The positive control: live keys are found, and their text only while somebody holds it.
    assert_eq!(found(&sought), ["generated bytes", "preshared bytes"]);
    let text = generated.expose_base64();
    assert_eq!(found(&sought), ["generated bytes", "generated base64", "preshared bytes"]);
    let parsed = PrivateKey::from_base64(&text).unwrap();
    drop((text, generated));
    assert_eq!(found(&sought), ["generated bytes", "preshared bytes"], "the parsed one is live");
    drop((parsed, preshared));
    assert_eq!(found(&sought), [""; 0]);

    let parent = tempfile::tempdir().unwrap();
    let mut store = KeyStore::open(&parent.path().join("keys"), "uid").unwrap();
    let made = store.load_or_create(Epoch::ZERO).unwrap();
    let sought = sought_in(&made, "stored");
    assert_eq!(found(&sought), ["stored rf-wg0 bytes", "stored rf-wg1 bytes"], "no text of what was written");
    drop(made);
    assert_eq!(found(&sought), [""; 0], "after making them");
    let read = store.load_or_create(Epoch::ZERO).unwrap();
    assert_eq!(found(&sought), ["stored rf-wg0 bytes", "stored rf-wg1 bytes"], "no text of what was read");
    drop(read);
    assert_eq!(found(&sought), [""; 0], "after reading them");
    store.remake(Epoch::ZERO).unwrap();
    assert_eq!(found(&sought), [""; 0], "after destroying them");

    // Another positive control: what code leaves on its stack is found there.
    after(
        || {
            let key = PrivateKey::generate().unwrap();
            let sought = Sought::of_private("copied", &key);
            leave_a_copy(key.expose_bytes());
            sought
        },
        |sought| assert_eq!(found(sought), ["copied bytes"]),
    );
    after(
        || Sought::of_private("made", &PrivateKey::generate().unwrap()),
        |sought| assert_eq!(found(sought), [""; 0], "on the stack that made it"),
    );
    after(
        || sought_in(&store.load_or_create(Epoch::ZERO).unwrap(), "loaded"),
        |sought| assert_eq!(found(sought), [""; 0], "on the stack that read them"),
    );
    after(
        || {
            let keys = store.load_or_create(Epoch::ZERO).unwrap();
            let pair = PairKey::new(keys.get(Plane::Zero), keys.get(Plane::One).public());
            std::hint::black_box(pair.tag(&[b"anything"]));
            sought_in(&keys, "agreed")
        },
        |sought| assert_eq!(found(sought), [""; 0], "on the stack that agreed on a secret with them"),
    );
    after(
        || sought_in(&store.remake(Epoch::ZERO).unwrap(), "remade"),
        |sought| assert_eq!(found(sought), [""; 0], "on the stack that made and wrote them"),
    );
}
