#![allow(clippy::all, clippy::unwrap_used)]
use ringfence::policy::Compiler;
use ringfence::policy::offline::local_view;
use ringfence::watch::directory::{Mode, read};
use ringfence_integration::evaluator::{Shape, generate};
#[test]
fn debug() {
    let seed = 398u64;
    let mut generated = generate(seed, &Shape::default());
    let snap = |g: &ringfence_integration::evaluator::Generated| {
        let d = tempfile::tempdir().unwrap();
        std::fs::write(d.path().join("cluster.json"), serde_json::json!({"apiVersion":"v1","kind":"List","items":g.objects}).to_string()).unwrap();
        read(d.path(), Mode::Accept).unwrap().snapshot()
    };
    let mut inc = Compiler::default();
    for number in [0u64, 60, 120, 180] {
        if number > 0 {
            let other = generate(seed ^ (number << 32), &Shape::default());
            assert_eq!((seed + number) % 3, 2);
            let mut labels = other.objects.iter().filter(|o| o["kind"] == "Pod").map(|o| o["metadata"]["labels"].clone());
            for pod in generated.objects.iter_mut().filter(|o| o["kind"] == "Pod") {
                let Some(new) = labels.next() else { break };
                pod["metadata"]["labels"] = new;
            }
        }
        let s = snap(&generated);
        let view = local_view(&s, "node-1", &[]);
        let a = inc.compile(&s, &view).tables;
        let b = Compiler::default().compile(&s, &view).tables;
        let dst: std::net::IpAddr = "fd00:10:244:1::f0".parse().unwrap();
        for (what, t) in [("inc", &a), ("fresh", &b)] {
            let e = t.endpoints[&t.locate(dst).owner];
            for src in ["fd00:10:244:3::9d", "10.244.3.157"] {
                let c = t.locate(src.parse().unwrap());
                println!("{number} {what} {src} class {} profile {} -> {}", c.class, e.ingress_profile, t.permits(e.ingress_profile, c.class, 6, 443));
            }
        }
        // all pairs
        for (i, e) in &a.endpoints {
            let f = b.endpoints[i];
            for (addr, v) in &a.addresses {
                let w = b.addresses[addr];
                for proto in [6u8, 17, 132, 1] { for port in [1u16, 53, 80, 443, 8080, 65535] {
                    let x = e.ingress_profile != 0 && !a.permits(e.ingress_profile, v.class, proto, port);
                    let y = f.ingress_profile != 0 && !b.permits(f.ingress_profile, w.class, proto, port);
                    if x != y { println!("{number} differ: {} <- {:?} {proto} {port}: inc denied {x}, fresh denied {y}", i, std::net::IpAddr::from(*addr)); }
                }}
            }
        }
    }
}
