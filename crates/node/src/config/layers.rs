//! Where a setting comes from: file, environment, flags, laid one over another.
//!
//! ```text
//! defaults  <  file  <  environment  QUARTET__SECTION__KEY  <  --set section.key=value
//! ```
//!
//! Every layer becomes the same flat map from a dotted path (`limits.receive_maximum`, `listener.0.address`) to a
//! value that remembers its origin, so that any error found later can say where to look. What the paths mean is
//! not known here; `Reader` asks for those it knows and reports the rest.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// The prefix of environment variables that are settings.
pub(crate) const PREFIX: &str = "QUARTET__";

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere: the program's own value.
    Default,
    /// In a file; line and column count from 1, columns in characters.
    File {
        /// The file as it was named.
        path: Arc<Path>,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// In this environment variable.
    Environment(String),
    /// In this `--set`, as written.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(text) => write!(f, "--set {text}"),
        }
    }
}

/// A value before anybody asked what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A TOML string.
    Text(String),
    /// A TOML integer, in decimal digits.
    Integer(String),
    /// `true` or `false`.
    Boolean(bool),
    /// A TOML array of values.
    List(Vec<Value>),
    /// From the environment or a flag: text that may stand for any of the above; lists are split at commas.
    Untyped(String),
    /// A kind of value no setting has (a float, a date), as written.
    Other(String),
}

impl fmt::Display for Value {
    /// As one would write it in TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Untyped(text) => write!(f, "{text:?}"),
            Self::Integer(text) | Self::Other(text) => write!(f, "{text}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(Self::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// What was written.
    pub(crate) value: Value,
    /// Where the value is.
    pub(crate) origin: Origin,
    /// Where its key is; the same outside files.
    pub(crate) key: Origin,
}

/// All layers laid so far, the later over the earlier.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    /// Dotted path to setting.
    pub(crate) settings: BTreeMap<String, Setting>,
    /// Dotted path of every table of the file, with where its header is: an unknown empty section is wrong too.
    pub(crate) sections: BTreeMap<String, Origin>,
    /// What could not be read.
    pub(crate) problems: Vec<Problem>,
}

impl Layers {
    /// Lays a TOML file's text over what is there.
    pub(crate) fn file(&mut self, path: &Path, text: &str) {
        let source = Source { path: path.into(), text };
        match DeTable::parse(text) {
            Ok(table) => self.table(&source, "", table.get_ref()),
            Err(error) => {
                let origin = source.origin(error.span().map_or(0, |span| span.start));
                let message = error.message().lines().collect::<Vec<_>>().join(", ");
                self.problems.push(Problem::new(origin, format!("this is not TOML: {message}")));
            }
        }
    }

    fn table(&mut self, source: &Source<'_>, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = join(prefix, key.get_ref());
            let key = source.origin(key.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => {
                    self.sections.insert(path.clone(), key);
                    self.table(source, &path, inner);
                }
                DeValue::Array(items)
                    if !items.is_empty() && items.iter().all(|item| item.get_ref().is_table()) =>
                {
                    for (index, item) in items.iter().enumerate() {
                        let path = join(&path, &index.to_string());
                        self.sections.insert(path.clone(), source.origin(item.span().start));
                        if let Some(inner) = item.get_ref().as_table() {
                            self.table(source, &path, inner);
                        }
                    }
                }
                plain => {
                    let origin = source.origin(value.span().start);
                    self.settings.insert(path, Setting { value: convert(plain), origin, key });
                }
            }
        }
    }

    /// Lays the variables that begin with `QUARTET__` over what is there; others are not ours.
    pub(crate) fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            if let Some(rest) = name.strip_prefix(PREFIX) {
                let path = rest.to_lowercase().replace("__", ".");
                let origin = Origin::Environment(name.clone());
                let setting = Setting { value: Value::Untyped(value), key: origin.clone(), origin };
                self.settings.insert(path, setting);
            }
        }
    }

    /// Lays one `--set section.key=value` over what is there.
    pub(crate) fn flag(&mut self, text: &str) {
        let origin = Origin::Flag(text.to_owned());
        match text.split_once('=') {
            Some((path, value)) if path.contains('.') => {
                let setting =
                    Setting { value: Value::Untyped(value.to_owned()), key: origin.clone(), origin };
                self.settings.insert(path.trim().to_owned(), setting);
            }
            _ => self.problems.push(Problem::new(origin, "write it as --set section.key=value".to_owned())),
        }
    }
}

/// Joins a path and a key with a dot.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

struct Source<'a> {
    path: Arc<Path>,
    text: &'a str,
}

impl Source<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Origin::File { path: Arc::clone(&self.path), line, column }
    }
}

fn convert(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number.to_string()),
            Err(_) => Value::Integer(number.to_string()),
        },
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Array(items) => Value::List(items.iter().map(|item| convert(item.get_ref())).collect()),
        DeValue::Float(number) => Value::Other(number.to_string()),
        DeValue::Datetime(time) => Value::Other(time.to_string()),
        DeValue::Table(_) => Value::Other("{ … }".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_win_and_remember_where_they_were_written() {
        let mut layers = Layers::default();
        layers.file(Path::new("q.toml"), "[limits]\nreceive_maximum = 0x10\n\n[log]\n  level = \"info\"\n");
        layers.environment([("QUARTET__LOG__LEVEL".into(), "debug".into()), ("PATH".into(), "/bin".into())]);
        layers.flag("log.level=trace");
        let at = |path: &str| &layers.settings[path];
        assert_eq!(at("limits.receive_maximum").value, Value::Integer("16".into()));
        assert_eq!(at("limits.receive_maximum").origin.to_string(), "q.toml:2:19");
        assert_eq!(at("log.level").value, Value::Untyped("trace".into()));
        assert_eq!(at("log.level").origin.to_string(), "--set log.level=trace");
        assert_eq!(layers.settings.len(), 2);
        assert!(layers.problems.is_empty());
    }

    #[test]
    fn arrays_of_tables_are_numbered() {
        let mut layers = Layers::default();
        layers.file(Path::new("q.toml"), "[[listener]]\naddress = \"a\"\n[[listener]]\naddress = \"b\"\n");
        layers.flag("listener.1.address=c");
        assert_eq!(layers.settings["listener.0.address"].value, Value::Text("a".into()));
        assert_eq!(layers.settings["listener.1.address"].value, Value::Untyped("c".into()));
        assert_eq!(layers.sections["listener.1"].to_string(), "q.toml:3:1");
    }

    #[test]
    fn what_is_not_toml_is_located() {
        let mut layers = Layers::default();
        layers.file(Path::new("q.toml"), "[node]\nname = node-1\n");
        let text = layers.problems[0].to_string();
        assert!(text.starts_with("q.toml:2:8: this is not TOML: "), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn a_flag_without_a_path_is_refused() {
        let mut layers = Layers::default();
        layers.flag("level=debug");
        assert_eq!(layers.problems[0].to_string(), "--set level=debug: write it as --set section.key=value");
    }
}
