//! Collects cases, asks the library for each one's outcome, and refuses one that does not come out as it is meant to.

use serde_json::{Map, Value};

use crate::judge::{Case, File, judge};

pub struct Build {
    file: File,
}

impl Build {
    pub fn new() -> Build {
        Build { file: File { shared: Map::new(), cases: Vec::new() } }
    }

    /// Names a value that cases take as "@name".
    pub fn share(&mut self, name: &str, value: Value) -> &mut Build {
        self.file.shared.insert(name.into(), value);
        self
    }

    /// Adds a case that must come out with `verdict`.
    pub fn case(&mut self, kind: &str, name: &str, verdict: &str, input: Value) -> &mut Build {
        let Value::Object(input) = input else { panic!("inputs are an object") };
        let mut case = Case { kind: kind.into(), name: name.into(), input, output: Value::Null };
        case.output = judge(kind, &self.file.inputs(&case));
        assert_eq!(case.output["verdict"], verdict, "{kind} {name}");
        self.file.cases.push(case);
        self
    }

    /// One case a line.
    pub fn text(&self) -> String {
        let line = |value: &Value| serde_json::to_string(value).expect("a value of JSON");
        let shared: Vec<String> =
            self.file.shared.iter().map(|(name, value)| format!("  \"{name}\": {}", line(value))).collect();
        let case = |case: &Case| serde_json::to_string(case).expect("a value of JSON");
        let cases: Vec<String> = self.file.cases.iter().map(case).collect();
        format!("{{\n\"shared\": {{\n{}\n}},\n\"cases\": [\n{}\n]\n}}", shared.join(",\n"), cases.join(",\n"))
    }
}

/// The wire form in hexadecimal.
pub fn wire<T: serde::Serialize>(value: &T) -> String {
    hex::encode(beacon_spec::codec::encode(value))
}

/// `value` with one change made.
pub fn with<T: Clone>(value: &T, change: impl FnOnce(&mut T)) -> T {
    let mut changed = value.clone();
    change(&mut changed);
    changed
}

/// A change that makes a case: its name, the verdict, what is done.
pub type Change<T> = (&'static str, &'static str, fn(&mut T));
