//! Keys rotate while packets flow: how many were sent, and how many lost.

use std::io::Read;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::lab::{Lab, Pod, list};
use super::page;
use super::questions::{Question, Source};
use super::show::Finding;

/// So many connections go on meanwhile.
const TALKS: usize = 6;

/// What came of one, as `ringfence lab stream` prints it in its last line.
struct Counts {
    sent: u64,
    answered: u64,
    lost: usize,
    broken: Option<String>,
    done: bool,
}

/// One that goes on.
struct Talk {
    what: String,
    child: Child,
}

/// Rotates the keys of all nodes while permitted pods of different nodes talk.
///
/// # Errors
/// When it could not be tried.
pub(super) fn show(
    lab: &Lab,
    pods: &[Pod],
    questions: &[Question],
    permitted: &[bool],
) -> Result<Vec<Finding>> {
    page::heading("New keys, under traffic");
    page::say(
        "Every node gets new keys, by one command, while permitted pods of different nodes talk without pause. Each node proves \
         the plane that stands ready by packets of full size before it moves its traffic there, and destroys the old key once \
         nobody uses it any more.",
    );
    let node = |name: &str| pods.iter().find(|pod| pod.name == name).map(|pod| pod.node.as_str());
    let far = |question: &&Question| match &question.source {
        Source::Pod(from) => {
            let (from, to) = (node(from), node(&question.target));
            !question.by_service && from.is_some() && to.is_some() && from != to
        }
        Source::Outside(_) => false,
    };
    let of_kind = |protocol: &str| -> Vec<&Question> {
        let all = questions.iter().zip(permitted).filter(|(_, permitted)| **permitted).map(|(q, _)| q);
        all.filter(far).filter(|q| q.protocol == protocol).take(TALKS / 2).collect()
    };
    let mut talks = Vec::new();
    for question in of_kind("TCP").into_iter().chain(of_kind("UDP")) {
        talks.push(begin(lab, question)?);
    }
    let mut rotate = lab.ringfence(&["keys", "rotate", "--wait", "--lab", lab.name()]);
    page::prompt(&rotate);
    let ended = rotate.status().context("starting ringfence")?.success();
    println!();
    let mut counts = Vec::new();
    for talk in talks {
        counts.push((talk.what.clone(), finish(talk)?));
    }
    let row = |(what, counts): &(String, Counts)| {
        let broken = counts.broken.clone().unwrap_or_else(|| "no".to_owned());
        vec![what.clone(), counts.sent.to_string(), counts.lost.to_string(), broken]
    };
    page::table(&["who talked", "sent", "lost", "broken"], &counts.iter().map(row).collect::<Vec<_>>());
    let (sent, lost) = counts.iter().fold((0, 0), |(sent, lost), (_, c)| (sent + c.sent, lost + c.lost));
    let whole = counts.iter().all(|(_, c)| c.done && c.broken.is_none() && c.lost == 0 && c.answered > 0);
    Ok(vec![Finding {
        must: "new keys lose no packet",
        seen: format!("{sent} sent, {lost} lost, {} connections", counts.len()),
        holds: ended && whole && !counts.is_empty(),
    }])
}

fn begin(lab: &Lab, question: &Question) -> Result<Talk> {
    let Source::Pod(from) = &question.source else { anyhow::bail!("{} is no pod", question.from) };
    let to = match question.address.contains(':') {
        true => format!("[{}]:{}", question.address, question.port),
        false => format!("{}:{}", question.address, question.port),
    };
    let program = lab.program();
    let words =
        [&*program, "lab", "stream", "--to", &to, "--protocol", &question.protocol, "--interval-ms", "10"];
    let child =
        lab.exec(from, &words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let what = format!("{from} and {} over {}", question.target, question.protocol);
    Ok(Talk { what, child: child.context("starting ringfence")? })
}

/// Ends it; the last line says everything.
fn finish(mut talk: Talk) -> Result<Counts> {
    drop(talk.child.stdin.take());
    let mut text = String::new();
    talk.child.stdout.take().context("the output was not piped")?.read_to_string(&mut text)?;
    talk.child.wait()?;
    let last = text.lines().last().with_context(|| format!("{} said nothing", talk.what))?;
    let said: Value =
        serde_json::from_str(last).with_context(|| format!("reading what {} printed", talk.what))?;
    let number = |field: &str| said[field].as_u64().with_context(|| format!("{}: no {field}", talk.what));
    Ok(Counts {
        sent: number("sent")?,
        answered: number("answered")?,
        lost: list(&said["missing"]).count(),
        broken: said["error"].as_str().map(str::to_owned),
        done: said["done"] == true,
    })
}
