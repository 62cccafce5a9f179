//! Images without a container engine: an OCI image layout in a tar archive (OCI image-spec 1.0, `image-layout.md`), with one
//! layer. `ctr images import`, `podman load`, `skopeo` and `docker load` (25 and later) take it.

mod agent;
mod rootfs;

pub use agent::{NAME, agent};
pub use rootfs::Rootfs;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What a container of the image runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config<'a> {
    /// The program and its first arguments.
    pub entrypoint: &'a [&'a str],
    /// Further arguments, unless others are given.
    pub arguments: &'a [&'a str],
    /// Labels (OCI image-spec, `annotations.md`).
    pub labels: &'a [(&'a str, &'a str)],
}

/// Writes an archive with one image, under its full name (registry, repository, tag). The same files make the same archive.
///
/// # Errors
/// If a file cannot be read or the archive not be written.
pub fn archive(to: &Path, name: &str, rootfs: &Rootfs, config: &Config<'_>) -> Result<()> {
    let written = || format!("writing {}", to.display());
    let next = to.with_extension("new");
    let scratch = to.with_extension("layer");
    let mut layer = File::options().read(true).write(true).create(true).truncate(true).open(&scratch)?;
    rootfs.write(BufWriter::new(&layer))?;
    let (digest, size) = measure(&mut layer)?;
    let labels: serde_json::Map<String, Value> =
        config.labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let image = json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Entrypoint": config.entrypoint,
            "Cmd": config.arguments,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [digest]},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &image),
        "layers": [{"mediaType": LAYER, "digest": digest, "size": size}],
    })
    .to_string();
    let mut entry = descriptor(MANIFEST, &manifest);
    let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    entry["annotations"] =
        json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag});
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();

    let file = File::create(&next).with_context(written)?;
    let mut tar = tar::Builder::new(BufWriter::new(file));
    append(&mut tar, "oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#.as_bytes())?;
    append(&mut tar, "index.json", index.as_bytes())?;
    append(&mut tar, &blob(&digest_of(image.as_bytes())), image.as_bytes())?;
    append(&mut tar, &blob(&digest_of(manifest.as_bytes())), manifest.as_bytes())?;
    layer.seek(SeekFrom::Start(0)).with_context(written)?;
    tar.append_data(&mut header(size), blob(&digest), &layer).with_context(written)?;
    tar.into_inner().and_then(|mut buffer| buffer.flush()).with_context(written)?;
    // In the directory of what is written, where it is seen and harmless.
    let _ = std::fs::remove_file(&scratch);
    std::fs::rename(&next, to).with_context(written)
}

fn descriptor(kind: &str, text: &str) -> Value {
    json!({"mediaType": kind, "digest": digest_of(text.as_bytes()), "size": text.len()})
}

fn digest_of(bytes: &[u8]) -> String {
    named(&Sha256::digest(bytes))
}

fn named(hash: &[u8]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// Digest and size of a whole file.
fn measure(file: &mut File) -> Result<(String, u64)> {
    file.seek(SeekFrom::Start(0)).context("reading a layer")?;
    let (mut hasher, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut buffer).context("reading a layer")?;
        if count == 0 {
            return Ok((named(&hasher.finalize()), size));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header
}

fn append(tar: &mut tar::Builder<impl Write>, name: &str, content: &[u8]) -> io::Result<()> {
    tar.append_data(&mut header(content.len() as u64), name, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_archive_and_every_blob_bears_its_own_digest() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let mut rootfs = Rootfs::default();
            rootfs.text("/etc/hello", "hello\n");
            rootfs.link("/bin/x", "/etc/hello");
            let path = dir.path().join(name);
            archive(&path, "example.test/a:1", &rootfs, &Config { entrypoint: &["/x"], ..Config::default() })
                .unwrap();
            std::fs::read(path).unwrap()
        };
        let first = make("a.tar");
        assert_eq!(first, make("b.tar"));
        let mut blobs = 0;
        for entry in tar::Archive::new(first.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            if let Some(hash) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(digest_of(&content), format!("sha256:{hash}"));
                blobs += 1;
            }
        }
        assert_eq!(blobs, 3);
    }
}
