//! Files, documents, lists.
use super::support::{accept, directory, pod, pods};
use crate::watch::directory::{Mode, read};

const A: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c}]}\n";

#[test]
fn files_of_any_depth_are_read_and_hidden_and_other_ones_are_not() {
    let broken = "{";
    let b = A.replace("name: a", "name: b");
    let directory = directory(&[
        ("a.yaml", A),
        ("deep/er/b.yml", &b),
        (
            "c.json",
            r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}, "spec": {"containers": [{"name": "c"}]}}"#,
        ),
        (".hidden.yaml", broken),
        (".git/x.yaml", broken),
        ("README.md", broken),
        ("queries.jsonl", broken),
        ("empty.yaml", ""),
        ("comments.yaml", "# nothing\n---\n# here\n---\n"),
    ]);
    assert_eq!(pods(&read(directory.path(), Mode::Accept).unwrap()), ["default/a", "default/b", "default/c"]);
    let one = directory.path().join("deep/er/b.yml");
    assert_eq!(pods(&read(&one, Mode::Accept).unwrap()), ["default/b"]);
}

#[test]
fn a_link_to_a_file_is_followed_and_one_to_a_directory_is_not() {
    let other = directory(&[("b.yaml", A)]);
    let directory = directory(&[]);
    std::os::unix::fs::symlink(other.path().join("b.yaml"), directory.path().join("a.yaml")).unwrap();
    std::os::unix::fs::symlink(directory.path(), directory.path().join("loop")).unwrap();
    std::os::unix::fs::symlink(other.path(), directory.path().join("d.yaml")).unwrap();
    assert_eq!(pods(&read(directory.path(), Mode::Accept).unwrap()), ["default/a"]);
}

#[test]
fn a_file_may_hold_several_documents_and_lists() {
    let b = A.replace("name: a", "name: b");
    let item = |name: &str| format!("{{metadata: {{name: {name}}}, spec: {{containers: [{{name: c}}]}}}}");
    let typed = |name: &str| item(name).replacen('{', "{apiVersion: v1, kind: Pod, ", 1);
    let cases = [
        (format!("{A}---\n{b}"), 2),
        (format!("---\n{A}--- # second\n{b}---\n"), 2),
        (format!("\u{feff}---\r\n{}", A.replace('\n', "\r\n")), 1),
        (format!("{{apiVersion: v1, kind: List, items: [{}, {}]}}", typed("x"), typed("y")), 2),
        (format!("{{apiVersion: v1, kind: PodList, items: [{}, {}]}}", item("x"), item("y")), 2),
        (
            format!(
                "{{apiVersion: v1, kind: List, items: [{{apiVersion: v1, kind: PodList, items: [{}]}}, {}]}}",
                item("x"),
                typed("y")
            ),
            2,
        ),
        ("{apiVersion: v1, kind: List, items: null}".to_owned(), 0),
        ("{apiVersion: v1, kind: List}".to_owned(), 0),
    ];
    for (text, count) in cases {
        assert_eq!(accept(&text).unwrap_or_else(|e| panic!("{text}\n{e}")).pods.len(), count, "{text}");
    }
}

#[test]
fn json_may_hold_several_objects_also_in_a_yaml_file() {
    let object = |name: &str| {
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"{name}\"}},\n\t\"spec\":{{\"containers\":[{{\"name\":\"c\"}}]}}}}\n"
        )
    };
    let text = object("a") + &object("b");
    assert_eq!(accept(&text).unwrap().pods.len(), 2);
    assert_eq!(read(directory(&[("a.json", &text)]).path(), Mode::Accept).unwrap().pods.len(), 2);
}

#[test]
fn anchors_merges_and_scalar_keys_of_yaml_are_understood() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: &l {1: x, true: y}\n  annotations:\n    <<: *l\n    z: w\nspec: {containers: [{name: c}]}\n";
    let loaded = accept(text).unwrap();
    let labels = &loaded.pods.values().next().unwrap().value.labels;
    assert_eq!(labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["1=x", "true=y"]);
    assert_eq!(loaded.objects().last().unwrap()["metadata"]["annotations"]["1"], "x");
}

#[test]
fn what_does_not_concern_us_is_passed_over_in_one_line() {
    let text = format!(
        "{A}---\n{{apiVersion: v1, kind: ConfigMap}}\n---\n{{apiVersion: v1, kind: ConfigMap}}\n---\n\
         {{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, spec: 5}}\n---\n\
         {{apiVersion: crd.projectcalico.org/v1, kind: NetworkPolicy, spec: {{selector: all()}}}}\n---\n\
         {{replicas: 3, image: {{tag: x}}}}\n---\n[a, list]\n---\n{{apiVersion: 5, kind: [x]}}\n"
    );
    let error = accept(&text).unwrap_err().to_string();
    assert!(error.ends_with("apiVersion: expected a text that is not empty"), "{error}");
    let text = text.replace("---\n{apiVersion: 5, kind: [x]}\n", "");
    let loaded = accept(&text).unwrap();
    let line = "passed over: 1 CiliumNetworkPolicy, 2 ConfigMap, 1 NetworkPolicy, 2 no Kubernetes object";
    assert_eq!(loaded.passed_over.to_string(), line);
    assert_eq!((loaded.pods.len(), loaded.policies.len()), (1, 0));
    assert_eq!(accept(&pod("a", "", "")).unwrap().passed_over.to_string(), "");
}
