//! Shapes in which people write a pod template's metadata: before, after.

use super::check;

/// Shapes of a Deployment's `spec`. `@` stands for the value of the first annotation.
const SHAPES: &[(&str, &str, &str)] = &[
    (
        "an empty flow mapping",
        "spec:\n  template:\n    metadata:\n      annotations: {} # none\n    spec: {}\n",
        "spec:\n  template:\n    metadata:\n      annotations: {r/at: @, r/for: \"s2\"} # none\n    spec: {}\n",
    ),
    (
        "an empty flow mapping with a blank",
        "spec:\n  template:\n    metadata: { }\n",
        "spec:\n  template:\n    metadata: { annotations: {r/at: @, r/for: \"s2\"} }\n",
    ),
    (
        "an empty template",
        "spec:\n  template: {}\n",
        "spec:\n  template: {metadata: {annotations: {r/at: @, r/for: \"s2\"}}}\n",
    ),
    (
        "null by nothing",
        "spec:\n  template:\n    metadata:\n      annotations: # later\n      labels: {}\n",
        "spec:\n  template:\n    metadata:\n      annotations: # later\n        r/at: @\n        r/for: \"s2\"\n      labels: {}\n",
    ),
    (
        "null by word",
        "spec:\n  template:\n    metadata:\n      annotations: null # c\n      labels: {}\n",
        "spec:\n  template:\n    metadata:\n      annotations: # c\n        r/at: @\n        r/for: \"s2\"\n      labels: {}\n",
    ),
    (
        "null metadata by tilde",
        "spec:\n  template:\n    metadata: ~\n    spec: {}\n",
        "spec:\n  template:\n    metadata:\n      annotations:\n        r/at: @\n        r/for: \"s2\"\n    spec: {}\n",
    ),
    (
        "an anchor on a null level, never repeated",
        "spec:\n  template:\n    metadata:\n      annotations: &a\n    spec: {}\n",
        "spec:\n  template:\n    metadata:\n      annotations: &a\n        r/at: @\n        r/for: \"s2\"\n    spec: {}\n",
    ),
    (
        "flow on one line",
        "spec:\n  template:\n    metadata: {labels: {a: b}, annotations: {a: b}}\n",
        "spec:\n  template:\n    metadata: {labels: {a: b}, annotations: {r/at: @, r/for: \"s2\", a: b}}\n",
    ),
    (
        "flow on one line without annotations",
        "spec:\n  template: {metadata: {labels: {a: b}}, spec: {}}\n",
        "spec:\n  template: {metadata: {annotations: {r/at: @, r/for: \"s2\"}, labels: {a: b}}, spec: {}}\n",
    ),
    (
        "flow with nulls",
        "spec:\n  template: {metadata: {annotations: null, labels: {}}}\n",
        "spec:\n  template: {metadata: {annotations: {r/at: @, r/for: \"s2\"}, labels: {}}}\n",
    ),
    (
        "flow with an empty value",
        "spec:\n  template: {metadata: {annotations: , labels: {}}}\n",
        "spec:\n  template: {metadata: {annotations: {r/at: @, r/for: \"s2\"} , labels: {}}}\n",
    ),
    (
        "flow with a key alone",
        "spec:\n  template: {metadata: {annotations, labels: {}}}\n",
        "spec:\n  template: {metadata: {annotations: {r/at: @, r/for: \"s2\"}, labels: {}}}\n",
    ),
    (
        "flow on several lines",
        "spec:\n  template:\n    metadata: { # who\n      # why\n      labels: {a: b},\n      x: y\n    }\n",
        "spec:\n  template:\n    metadata: { # who\n      annotations: {r/at: @, r/for: \"s2\"},\n      # why\n      labels: {a: b},\n      x: y\n    }\n",
    ),
    (
        "annotations in flow on several lines, with tabs",
        "spec:\n  template:\n    metadata:\n      annotations: {\n        \ta: b,\n        \tc: d\n      }\n",
        "spec:\n  template:\n    metadata:\n      annotations: {\n        \tr/at: @,\n        \tr/for: \"s2\",\n        \ta: b,\n        \tc: d\n      }\n",
    ),
    (
        "an empty flow mapping on two lines",
        "spec:\n  template:\n    metadata:\n      annotations: {\n      }\n",
        "spec:\n  template:\n    metadata:\n      annotations: {\n        r/at: @,\n        r/for: \"s2\"\n      }\n",
    ),
    (
        "double-quoted keys",
        "spec:\n  \"template\":\n    \"metadata\":\n      \"labels\": {}\n",
        "spec:\n  \"template\":\n    \"metadata\":\n      \"annotations\":\n        \"r/at\": @\n        \"r/for\": \"s2\"\n      \"labels\": {}\n",
    ),
    (
        "single-quoted keys",
        "spec:\n  template:\n    metadata:\n      'annotations':\n        'a': b\n",
        "spec:\n  template:\n    metadata:\n      'annotations':\n        'r/at': @\n        'r/for': \"s2\"\n        'a': b\n",
    ),
    (
        "JSON inside YAML",
        "spec:\n  template: {\"metadata\":{\"annotations\":{\"a\":\"b\"}}}\n",
        "spec:\n  template: {\"metadata\":{\"annotations\":{\"r/at\":@,\"r/for\":\"s2\",\"a\":\"b\"}}}\n",
    ),
    (
        "comments in every place",
        "spec: # 1\n# 2\n  template: # 3\n    # 4\n    metadata: # 5\n    # 6\n      annotations: # 7\n# 8\n        # 9\n        a: b # 10\n        # 11\n    # 12\n    spec: {}\n# 13\n",
        "spec: # 1\n# 2\n  template: # 3\n    # 4\n    metadata: # 5\n    # 6\n      annotations: # 7\n        r/at: @\n        r/for: \"s2\"\n# 8\n        # 9\n        a: b # 10\n        # 11\n    # 12\n    spec: {}\n# 13\n",
    ),
    (
        "sequences that are not indented, and block scalars around",
        "spec:\n  x:\n  - |\n    a\n\n  - >+\n    b\n\n\n  template:\n    metadata:\n      finalizers:\n      - a\n      annotations:\n        c: |\n          d\n        e: |+\n          f\n\n\n    spec: {}\n",
        "spec:\n  x:\n  - |\n    a\n\n  - >+\n    b\n\n\n  template:\n    metadata:\n      finalizers:\n      - a\n      annotations:\n        r/at: @\n        r/for: \"s2\"\n        c: |\n          d\n        e: |+\n          f\n\n\n    spec: {}\n",
    ),
    (
        "tabs after content",
        "spec:\n  template:\t\n    metadata:\t# who\n      annotations:\t\n        a: b\t\n",
        "spec:\n  template:\t\n    metadata:\t# who\n      annotations:\t\n        r/at: @\n        r/for: \"s2\"\n        a: b\t\n",
    ),
    (
        "tags that say nothing new",
        "spec:\n  template: !!map\n    metadata: !!map\n      annotations: !!map\n        a: b\n",
        "spec:\n  template: !!map\n    metadata: !!map\n      annotations: !!map\n        r/at: @\n        r/for: \"s2\"\n        a: b\n",
    ),
    (
        "a tag on a line of its own",
        "spec:\n  template:\n    metadata:\n      annotations:\n        !!map\n        a: b\n",
        "spec:\n  template:\n    metadata:\n      annotations:\n        !!map\n        r/at: @\n        r/for: \"s2\"\n        a: b\n",
    ),
    (
        "an anchor that is never repeated",
        "spec:\n  template: &t\n    metadata:\n      labels: {}\n",
        "spec:\n  template: &t\n    metadata:\n      annotations:\n        r/at: @\n        r/for: \"s2\"\n      labels: {}\n",
    ),
    (
        "a merge key beside the key itself",
        "x: &m {q: r}\nspec:\n  template:\n    metadata:\n      <<: *m\n      annotations:\n        a: b\n",
        "x: &m {q: r}\nspec:\n  template:\n    metadata:\n      <<: *m\n      annotations:\n        r/at: @\n        r/for: \"s2\"\n        a: b\n",
    ),
    (
        "quoted text that goes on at the column of its key",
        "spec:\n  template:\n    metadata:\n      annotations:\n        a: 'x\n        y'\n        b: c\n",
        "spec:\n  template:\n    metadata:\n      annotations:\n        r/at: @\n        r/for: \"s2\"\n        a: 'x\n        y'\n        b: c\n",
    ),
    (
        "names and comments that are not ASCII",
        "spec:\n  größe: \"å 🚀\" # ✓\n  template:\n    metadata:\n      labels: {ü: ö}\n",
        "spec:\n  größe: \"å 🚀\" # ✓\n  template:\n    metadata:\n      annotations:\n        r/at: @\n        r/for: \"s2\"\n      labels: {ü: ö}\n",
    ),
    (
        "a Flux substitution elsewhere",
        "spec:\n  replicas: ${REPLICAS:=2}\n  template:\n    metadata:\n      labels: {a: \"${A}\"}\n",
        "spec:\n  replicas: ${REPLICAS:=2}\n  template:\n    metadata:\n      annotations:\n        r/at: @\n        r/for: \"s2\"\n      labels: {a: \"${A}\"}\n",
    ),
    (
        "dots that end the document",
        "spec:\n  template:\n    metadata:\n...\n",
        "spec:\n  template:\n    metadata:\n      annotations:\n        r/at: @\n        r/for: \"s2\"\n...\n",
    ),
];

#[test]
fn every_shape_gets_its_annotations() {
    for (shape, before, after) in SHAPES {
        let after = after.replace('@', "\"2026-11-20T09:00:00Z\"");
        let result = std::panic::catch_unwind(|| check(before, &after));
        assert!(result.is_ok(), "{shape}");
    }
}

/// Values of the first annotation: before, after.
const VALUES: &[(&str, &str)] = &[
    (
        "\"2025-01-01T00:00:00Z\" # c",
        "\"2026-11-20T09:00:00Z\" # c",
    ),
    ("'2025-01-01T00:00:00Z'", "'2026-11-20T09:00:00Z'"),
    // Plain, it would be a date to readers of YAML 1.1.
    ("2025-01-01T00:00:00Z", "\"2026-11-20T09:00:00Z\""),
    (
        "!!str 2025-01-01T00:00:00Z",
        "!!str \"2026-11-20T09:00:00Z\"",
    ),
    ("&once 'x'", "&once '2026-11-20T09:00:00Z'"),
    ("", "\"2026-11-20T09:00:00Z\""),
    ("# c", "\"2026-11-20T09:00:00Z\" # c"),
    ("~", "\"2026-11-20T09:00:00Z\""),
    ("|\n          2025\n          x", "\"2026-11-20T09:00:00Z\""),
    (
        ">-\n          2025\n\n          x\n",
        "\"2026-11-20T09:00:00Z\"\n",
    ),
    ("|+\n          2025\n\n\n", "\"2026-11-20T09:00:00Z\"\n\n\n"),
    ("\"a\n          b\"", "\"2026-11-20T09:00:00Z\""),
    ("a\n          b", "\"2026-11-20T09:00:00Z\""),
    ("*other", "\"2026-11-20T09:00:00Z\""),
    ("7", "\"2026-11-20T09:00:00Z\""),
];

#[test]
fn existing_values_are_replaced_in_place() {
    for (before, after) in VALUES {
        let blank = |value: &str| if value.is_empty() { "" } else { " " }.to_owned() + value;
        let text = |value: &str| {
            format!(
                "x: &other y\nspec:\n  template:\n    metadata:\n      annotations:\n        a: b\n        \
                 r/at:{}\n        # d\n        r/for: 's2'\n    spec: {{}}\n",
                blank(value)
            )
        };
        let result = std::panic::catch_unwind(|| check(&text(before), &text(after)));
        assert!(result.is_ok(), "{before:?}");
    }
}

#[test]
fn values_that_say_the_same_stay_as_they_are() {
    for value in [
        "\"2026-11-20T09:00:00Z\"",
        "2026-11-20T10:00:00+01:00",
        "'2026-11-20T09:00:00Z'",
    ] {
        let text = format!(
            "spec:\n  template:\n    metadata:\n      annotations:\n        r/at: {value}\n        r/for: s2\n"
        );
        check(&text, &text);
        let older = text.replace("r/for: s2", "r/for: s1");
        check(&older, &text);
    }
}

#[test]
fn a_key_that_is_missing_goes_beside_the_one_that_is_there() {
    check(
        "spec:\n  template:\n    metadata:\n      annotations:\n        a: b\n        r/at: \
         \"2025-01-01T00:00:00Z\" # c\n        # d\n        c: d\n",
        "spec:\n  template:\n    metadata:\n      annotations:\n        a: b\n        r/at: \
         \"2026-11-20T09:00:00Z\" # c\n        r/for: \"s2\"\n        # d\n        c: d\n",
    );
    // Not behind a value of several lines, nor between a comment and its key.
    check(
        "spec:\n  template:\n    metadata:\n      annotations:\n        a: b\n        r/at: 2025\n          x\n",
        "spec:\n  template:\n    metadata:\n      annotations:\n        r/for: \"s2\"\n        a: b\n        r/at: \
         \"2026-11-20T09:00:00Z\"\n",
    );
    check(
        "spec:\n  template:\n    metadata:\n      annotations: {\n        a: b,\n        # c\n        r/at: x\n      }\n",
        "spec:\n  template:\n    metadata:\n      annotations: {\n        r/for: \"s2\",\n        a: b,\n        # c\n        \
         r/at: \"2026-11-20T09:00:00Z\"\n      }\n",
    );
    check(
        "spec:\n  template:\n    metadata:\n      annotations: {\n        a: b,\n        r/at: x\n      }\n",
        "spec:\n  template:\n    metadata:\n      annotations: {\n        a: b,\n        r/for: \"s2\",\n        \
         r/at: \"2026-11-20T09:00:00Z\"\n      }\n",
    );
    check(
        "spec:\n  template:\n    metadata: {annotations: {a: b, r/at: \"x\"}}\n",
        "spec:\n  template:\n    metadata: {annotations: {a: b, r/for: \"s2\", r/at: \
         \"2026-11-20T09:00:00Z\"}}\n",
    );
}
