//! Wrong options of a fit.

use super::{Attack, VICTIM, post, shown};

/// Wrong options of a fit, and the fault of each.
const OF_FIT: [(&str, &str); 26] = [
    (r#""detector":"magic""#, "detector: unknown variant `magic`"),
    (r#""detector":"AUTO""#, "detector: unknown variant"),
    (r#""detector":"""#, "detector: unknown variant"),
    (r#""detector":1"#, "detector"),
    (r#""detector":["auto"]"#, "detector"),
    (
        r#""detector":"auto","detector":"sigma""#,
        "duplicate field `detector`",
    ),
    (r#""params":[]"#, "params"),
    (r#""params":"k=1""#, "params"),
    (r#""params":{"k":"1"}"#, "params: invalid type: string"),
    (r#""params":{"k":null}"#, "params: invalid type: null"),
    (r#""params":{"k":true}"#, "params: invalid type: boolean"),
    (r#""params":{"k":{}}"#, "params: invalid type: map"),
    (r#""params":{"k":NaN}"#, "params"),
    (r#""params":{"k":1e400}"#, "params: number out of range"),
    (r#""params":{"k":1,"k":1}"#, "params: duplicate field `k`"),
    (r#""params":{"nonsense":1}"#, "nonsense"),
    (r#""detector":"sigma","params":{"nonsense":1}"#, "nonsense"),
    (r#""false_alarm_rate":0"#, "false_alarm_rate"),
    (r#""false_alarm_rate":-0.1"#, "false_alarm_rate"),
    (r#""false_alarm_rate":0.51"#, "false_alarm_rate"),
    (
        r#""false_alarm_rate":1e400"#,
        "false_alarm_rate: number out of range",
    ),
    (
        r#""false_alarm_rate":"low""#,
        "false_alarm_rate: invalid type",
    ),
    (r#""direction":"up""#, "direction: unknown variant `up`"),
    (r#""direction":0"#, "direction"),
    (r#""direction":"none""#, "direction: unknown variant `none`"),
    (r#""detector":"robust","params":{"":1}"#, "param"),
];

pub(super) fn of_fit() -> Vec<Attack> {
    let many: Vec<_> = (0..40).map(|n| format!(r#""p{n}":1"#)).collect();
    let many = format!(r#""params":{{{}}}"#, many.join(","));
    let table = OF_FIT
        .into_iter()
        .chain([(&*many, "params: there are more than")]);
    let attack = |(option, fault): (&str, &'static str)| {
        let body = format!(r#"{{"timestamps":[1,2,3],"values":[1,2,3.5],{option}}}"#);
        Attack {
            name: format!("fit with {}", shown(option.as_bytes())),
            request: post(&format!("/fit/{VICTIM}"), body.as_bytes()),
            statuses: &[400],
            fault,
        }
    };
    table.map(attack).collect()
}
