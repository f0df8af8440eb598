//! Wrong bodies of fits and predictions.

use super::{Attack, VICTIM, post, shown};

/// Wrong fits, and the fault of each.
const FITS: &[(&[u8], &str)] = &[
    (b"", "eof"),
    (b" ", "eof"),
    (b"x", "expected value"),
    (b"null", "null"),
    (b"true", "boolean"),
    (b"42", "integer"),
    (b"\"text\"", "string"),
    (b"[]", "sequence"),
    (b"[[1,2,3],[1,2,3]]", "sequence"),
    (b"{}", "missing field `timestamps`"),
    (b"{", "eof"),
    (b"{\"timestamps\"", "eof"),
    (b"{\"timestamps\":", "eof"),
    (b"{\"timestamps\":[1,2,3],\"values\":[1,2", "eof"),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,3],}",
        "trailing comma",
    ),
    (
        b"{\"timestamps\":[1,2,3,],\"values\":[1,2,3]}",
        "trailing comma",
    ),
    (
        b"{'timestamps':[1,2,3],'values':[1,2,3]}",
        "key must be a string",
    ),
    (
        b"{timestamps:[1,2,3],values:[1,2,3]}",
        "key must be a string",
    ),
    (
        b"{\"timestamps\":[1,2,3] \"values\":[1,2,3]}",
        "expected `,`",
    ),
    (
        b"{\"timestamps\":[1 2 3],\"values\":[1,2,3]}",
        "expected `,`",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,3]} x",
        "trailing characters",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,3]}{}",
        "trailing characters",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,3]}]",
        "trailing characters",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,3]}\0",
        "trailing characters",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"timestamps\":[1,2,3],\"values\":[1,2,3]}",
        "duplicate field `timestamps`",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,3],\"values\":[4,5,6]}",
        "duplicate field `values`",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,3],\"x\":1,\"x\":2}",
        "duplicate field `x`",
    ),
    (b"{\"timestamps\":[1,2,3]}", "missing field `values`"),
    (b"{\"values\":[1,2,3]}", "missing field `timestamps`"),
    (
        b"{\"Timestamps\":[1,2,3],\"values\":[1,2,3]}",
        "missing field `timestamps`",
    ),
    (b"{\"timestamps\":null,\"values\":[1,2,3]}", "timestamps"),
    (b"{\"timestamps\":[1,2,3],\"values\":null}", "values"),
    (b"{\"timestamps\":{},\"values\":[1,2,3]}", "timestamps"),
    (
        b"{\"timestamps\":\"1,2,3\",\"values\":[1,2,3]}",
        "timestamps",
    ),
    (b"{\"timestamps\":1,\"values\":1}", "timestamps"),
    (b"{\"timestamps\":[1,2,null],\"values\":[1,2,3]}", "null"),
    (b"{\"timestamps\":[1,2,\"3\"],\"values\":[1,2,3]}", "string"),
    (
        b"{\"timestamps\":[1,2,3.5],\"values\":[1,2,3]}",
        "floating point",
    ),
    (
        b"{\"timestamps\":[1,2,3.0],\"values\":[1,2,3]}",
        "floating point",
    ),
    (
        b"{\"timestamps\":[1,2,3e0],\"values\":[1,2,3]}",
        "floating point",
    ),
    (b"{\"timestamps\":[1,2,true],\"values\":[1,2,3]}", "boolean"),
    (b"{\"timestamps\":[1,2,[3]],\"values\":[1,2,3]}", "sequence"),
    (
        b"{\"timestamps\":[1,2,9223372036854775808],\"values\":[1,2,3]}",
        "9223372036854775808",
    ),
    (
        b"{\"timestamps\":[1,2,-9223372036854775809],\"values\":[1,2,3]}",
        "timestamps",
    ),
    (
        b"{\"timestamps\":[1,2,1e400],\"values\":[1,2,3]}",
        "timestamps",
    ),
    (b"{\"timestamps\":[1,2,3],\"values\":[1,2,NaN]}", "values"),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,Infinity]}",
        "values",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,-Infinity]}",
        "values",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,1e400]}",
        "out of range",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,-1e400]}",
        "out of range",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[null,null,null]}",
        "null",
    ),
    (b"{\"timestamps\":[1,2,3],\"values\":[1,2,\"3\"]}", "string"),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,{\"v\":3}]}",
        "map",
    ),
    (b"{\"timestamps\":[1,2,3],\"values\":[1,2,0x3]}", "values"),
    (b"{\"timestamps\":[1,2,3],\"values\":[1,2,03]}", "values"),
    (b"{\"timestamps\":[1,2,3],\"values\":[1,2,+3]}", "values"),
    (b"{\"timestamps\":[1,2,3],\"values\":[1,2,.5]}", "values"),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2]}",
        "same non-zero length",
    ),
    (
        b"{\"timestamps\":[1,2],\"values\":[1,2,3]}",
        "same non-zero length",
    ),
    (b"{\"timestamps\":[],\"values\":[]}", "same non-zero length"),
    (
        b"{\"timestamps\":[1,2],\"values\":[1,2]}",
        "insufficient or constant",
    ),
    (
        b"{\"timestamps\":[1],\"values\":[1]}",
        "insufficient or constant",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[7,7,7.0]}",
        "insufficient or constant",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[0,-0,0.0]}",
        "insufficient or constant",
    ),
    (
        b"\xff\xfe{\"timestamps\":[1,2,3],\"values\":[1,2,3]}",
        "utf-8",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,3],\"x\":\"\xc3\x28\"}",
        "utf-8",
    ),
    (
        b"\xef\xbb\xbf\xef\xbb\xbf{\"timestamps\":[1,2,3],\"values\":[1,2,3]}",
        "expected value",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,3],\"x\":\"\\ud800\"}",
        "hex escape",
    ),
    (
        b"{\"timestamps\":[1,2,3],\"values\":[1,2,3],\"x\":\"\n\"}",
        "control character",
    ),
    (b"timestamps=1&values=2", "expected"),
    (b"<fit><timestamps/></fit>", "expected value"),
];

/// Wrong predictions, and the fault of each.
const PREDICTIONS: &[(&[u8], &str)] = &[
    (b"", "eof"),
    (b"{}", "missing field `timestamp`"),
    (b"[1,2.5]", "sequence"),
    (b"{\"timestamp\":1}", "missing field `value`"),
    (b"{\"value\":1}", "missing field `timestamp`"),
    (
        b"{\"timestamp\":\"now\",\"value\":1}",
        "timestamp: invalid value: string",
    ),
    (b"{\"timestamp\":1.5,\"value\":1}", "floating point"),
    (b"{\"timestamp\":null,\"value\":1}", "null"),
    (b"{\"timestamp\":1,\"value\":null}", "null"),
    (b"{\"timestamp\":1,\"value\":NaN}", "value"),
    (b"{\"timestamp\":1,\"value\":1e400}", "out of range"),
    (b"{\"timestamp\":1,\"value\":true}", "boolean"),
    (b"{\"timestamp\":1,\"value\":\"1\"}", "string"),
    (b"{\"timestamp\":1,\"value\":[1]}", "sequence"),
    (
        b"{\"timestamp\":1,\"value\":1,\"value\":2}",
        "duplicate field `value`",
    ),
    (b"{\"timestamp\":1,\"value\":1} {}", "trailing characters"),
    (b"{\"timestamp\":1,\"value\":1}\xff", "utf-8"),
];

pub(super) fn of_fit() -> Vec<Attack> {
    let deep = format!(r#"{{"timestamps":{}"#, "[".repeat(100_000));
    let deep_unknown = format!(
        r#"{{"timestamps":[1,2,3],"values":[1,2,3],"x":{}1{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let deep_object = format!(
        r#"{{"timestamps":[1,2,3],"values":[1,2,3],"x":{}1{}}}"#,
        r#"{"a":"#.repeat(100_000),
        "}".repeat(100_000)
    );
    let nested: [(&[u8], &'static str); 3] = [
        (deep.as_bytes(), "timestamps"),
        (deep_unknown.as_bytes(), "recursion limit"),
        (deep_object.as_bytes(), "recursion limit"),
    ];
    let attack = |(body, fault): (&[u8], &'static str)| Attack {
        name: format!("fit {}", shown(body)),
        request: post(&format!("/fit/{VICTIM}"), body),
        statuses: &[400],
        fault,
    };
    FITS.iter().copied().chain(nested).map(attack).collect()
}

pub(super) fn of_predict() -> Vec<Attack> {
    let deep = format!(r#"{{"timestamp":1,"value":{}"#, "[".repeat(60_000));
    let attack = |(body, fault): (&[u8], &'static str)| Attack {
        name: format!("predict {}", shown(body)),
        request: post(&format!("/predict/{VICTIM}"), body),
        statuses: &[400],
        fault,
    };
    let nested = [(deep.as_bytes(), "value")];
    PREDICTIONS
        .iter()
        .copied()
        .chain(nested)
        .map(attack)
        .collect()
}
