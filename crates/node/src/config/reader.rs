//! Asks the layers for the settings that exist, and reports everything else.
//!
//! The components ask for their keys one by one; what they ask for *is* the list of known keys. Whatever the
//! layers hold beyond that is unknown, and reported with the nearest known key of the same section. Every value
//! asked for is also kept for `config print`, with its origin.

use std::collections::{BTreeMap, BTreeSet};

use super::field::Field;
use super::layers::{Layers, Origin, Setting, Value, join};
use super::nearest::nearest;
use super::problem::Problem;

/// Most problems reported at once: beyond, the first ones are the ones to mend.
const MOST_PROBLEMS: usize = 20;

/// A setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effective {
    /// Section path: `limits`, `listener.0`.
    pub(crate) section: String,
    /// Key within it.
    pub(crate) key: String,
    /// Its value in TOML.
    pub(crate) toml: String,
    /// Who set it.
    pub(crate) origin: Origin,
}

/// Reads settings out of layers.
#[derive(Debug)]
pub(crate) struct Reader {
    settings: BTreeMap<String, Setting>,
    sections: BTreeMap<String, Origin>,
    known: BTreeSet<String>,
    known_sections: BTreeSet<String>,
    repeated: BTreeSet<String>,
    effective: Vec<Effective>,
    problems: Vec<Problem>,
}

impl Reader {
    /// Reads from these layers.
    pub(crate) fn new(layers: Layers) -> Self {
        Self {
            settings: layers.settings,
            sections: layers.sections,
            known: BTreeSet::new(),
            known_sections: BTreeSet::new(),
            repeated: BTreeSet::new(),
            effective: Vec::new(),
            problems: layers.problems,
        }
    }

    /// The section of this name, written or not.
    pub(crate) fn section(&mut self, path: impl Into<String>) -> Section<'_> {
        let path = path.into();
        self.known_sections.insert(path.clone());
        Section { reader: self, path }
    }

    /// How many `[[name]]` there are; a gap in their numbers is a problem.
    pub(crate) fn count(&mut self, name: &str) -> usize {
        self.known_sections.insert(name.to_owned());
        self.repeated.insert(name.to_owned());
        let prefix = format!("{name}.");
        let mut numbers: BTreeMap<usize, Origin> = BTreeMap::new();
        let written =
            self.settings.iter().map(|(path, setting)| (path, &setting.origin)).chain(self.sections.iter());
        for (path, origin) in written {
            let index = path.strip_prefix(&prefix).and_then(|rest| rest.split('.').next());
            if let Some(index) = index.and_then(|index| index.parse().ok()) {
                numbers.entry(index).or_insert_with(|| origin.clone());
            }
        }
        for (place, (index, origin)) in numbers.iter().enumerate() {
            if place != *index {
                let text = format!(
                    "{name}.{index} has no {name}.{place} before it; number them from 0 without gaps"
                );
                self.problems.push(Problem::new(origin.clone(), text));
                return place;
            }
        }
        numbers.len()
    }

    /// Where a setting was written, for rules that look at several.
    pub(crate) fn origin(&self, path: &str) -> Origin {
        let setting = self.settings.get(path).map(|setting| &setting.origin);
        setting.or_else(|| self.sections.get(path)).cloned().unwrap_or(Origin::Default)
    }

    /// Reports a problem with the setting at `path`.
    pub(crate) fn problem(&mut self, path: &str, text: impl Into<String>) {
        let origin = self.origin(path);
        self.problems.push(Problem::new(origin, text.into()));
    }

    /// All values asked for, in the order asked; and what was wrong: unknown keys included.
    pub(crate) fn finish(mut self) -> (Vec<Effective>, Vec<Problem>) {
        self.unknown_keys();
        self.unknown_sections();
        self.problems.sort_by_key(|problem| match &problem.origin {
            Origin::File { line, column, .. } => (0, *line, *column),
            Origin::Environment(_) => (1, 0, 0),
            Origin::Flag(_) => (2, 0, 0),
            Origin::Default => (3, 0, 0),
        });
        let left_out = self.problems.len().saturating_sub(MOST_PROBLEMS);
        if left_out > 0 {
            self.problems.truncate(MOST_PROBLEMS);
            let text = format!("and {left_out} more; mend these first");
            self.problems.push(Problem::new(Origin::Default, text));
        }
        (self.effective, self.problems)
    }

    fn unknown_keys(&mut self) {
        for (path, setting) in &self.settings {
            if self.known.contains(path) {
                continue;
            }
            let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
            // A key of an unknown section is reported once, with its section.
            if self.sections.contains_key(section) && !self.known_sections.contains(section) {
                continue;
            }
            let text = if self.repeated.contains(section) {
                format!("{path} stands under [{section}]; there may be several, so write [[{section}]]")
            } else if self.known_sections.contains(path) {
                format!("{path} is a section, not a key; write its keys under [{path}]")
            } else if self.known_sections.contains(section) {
                let prefix = format!("{section}.");
                let keys = || self.known.iter().filter_map(|known| known.strip_prefix(&prefix));
                match nearest(key, keys()) {
                    Some(meant) => {
                        format!("unknown key {path}; did you mean {meant}? (write {section}.{meant} = …)")
                    }
                    None => {
                        let keys: Vec<&str> = keys().collect();
                        format!("unknown key {path}; the keys of [{section}] are {}", keys.join(", "))
                    }
                }
            } else {
                unknown_section(section, path, &self.known, &self.known_sections)
            };
            self.problems.push(Problem::new(setting.key.clone(), text));
        }
    }

    fn unknown_sections(&mut self) {
        for (path, origin) in &self.sections {
            let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            let inside_unknown = self.sections.contains_key(parent) && !self.known_sections.contains(parent);
            let element = self.known_sections.contains(parent);
            if self.known_sections.contains(path) || inside_unknown {
                continue;
            }
            if element && path.rsplit('.').next().is_some_and(|index| index.parse::<usize>().is_ok()) {
                let text = format!("[[{parent}]] is wrong here; there is one section [{parent}]");
                self.problems.push(Problem::new(origin.clone(), text));
                continue;
            }
            let text = unknown_section(path, path, &self.known, &self.known_sections);
            self.problems.push(Problem::new(origin.clone(), text));
        }
    }
}

fn unknown_section(
    section: &str,
    path: &str,
    known: &BTreeSet<String>,
    sections: &BTreeSet<String>,
) -> String {
    let names: BTreeSet<&str> = sections.iter().map(|name| name.split('.').next().unwrap_or(name)).collect();
    if section.is_empty() {
        // A key above all sections: perhaps it belongs to one.
        let home = known.iter().find(|known| known.rsplit('.').next() == Some(path));
        return match home.and_then(|known| known.rsplit_once('.')) {
            Some((section, key)) => format!("unknown key {path}; {key} belongs under [{section}]"),
            None => format!("unknown key {path}; keys stand in one of the sections {}", list(&names)),
        };
    }
    match nearest(section, names.iter().copied()) {
        Some(meant) => format!("unknown section {section}; did you mean {meant}?"),
        None => format!("unknown section {section}; the sections are {}", list(&names)),
    }
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// One section, from which keys are asked.
pub(crate) struct Section<'a> {
    reader: &'a mut Reader,
    path: String,
}

impl Section<'_> {
    /// The value of `key`, or `default`.
    pub(crate) fn get<T: Field + Clone>(&mut self, key: &str, default: T) -> T {
        self.get_if(key, default, |_| Ok(()))
    }

    /// The value of `key`, or `default`; `rule` says what is wrong with a value that reads well.
    pub(crate) fn get_if<T: Field + Clone>(
        &mut self,
        key: &str,
        default: T,
        rule: impl FnOnce(&T) -> Result<(), String>,
    ) -> T {
        self.optional(key, rule).unwrap_or_else(|| {
            self.keep(key, default.toml(), Origin::Default);
            default
        })
    }

    /// The value of `key`, if it is written.
    pub(crate) fn optional<T: Field>(
        &mut self,
        key: &str,
        rule: impl FnOnce(&T) -> Result<(), String>,
    ) -> Option<T> {
        let path = self.known(key);
        let setting = self.reader.settings.get(&path)?.clone();
        match T::read(&setting.value) {
            Ok(value) => match rule(&value) {
                Ok(()) => {
                    self.keep(key, value.toml(), setting.origin);
                    return Some(value);
                }
                Err(wrong) => {
                    let text = format!("{path} = {}: {wrong}", setting.value);
                    self.reader.problems.push(Problem::new(setting.origin, text));
                }
            },
            Err(wrong) => self.misread(&path, setting, &wrong, T::EXPECTED),
        }
        None
    }

    /// The value of `key`; a problem and `None` if it is not written. `example` shows what to write.
    pub(crate) fn required<T: Field>(&mut self, key: &str, example: &str) -> Option<T> {
        let path = self.known(key);
        if !self.reader.settings.contains_key(&path) {
            let origin = self.reader.origin(&self.path);
            let text = format!("{path} is missing; write {example} under {}", header(&self.path));
            self.reader.problems.push(Problem::new(origin, text));
            return None;
        }
        self.optional(key, |_| Ok(()))
    }

    /// The list at `key`; a problem and an empty list if it is not written.
    pub(crate) fn required_list<T: Field>(&mut self, key: &str, example: &str) -> Vec<T> {
        let path = self.known(key);
        let Some(setting) = self.reader.settings.get(&path).cloned() else {
            let origin = self.reader.origin(&self.path);
            let text = format!("{path} is missing; write {example} under {}", header(&self.path));
            self.reader.problems.push(Problem::new(origin, text));
            return Vec::new();
        };
        match super::field::read_list::<T>(&setting.value) {
            Ok(values) => {
                let items: Vec<String> = values.iter().map(T::toml).collect();
                self.keep(key, format!("[{}]", items.join(", ")), setting.origin);
                values
            }
            Err(wrong) => {
                self.misread(&path, setting, &wrong, T::EXPECTED);
                Vec::new()
            }
        }
    }

    fn known(&mut self, key: &str) -> String {
        let path = join(&self.path, key);
        self.reader.known.insert(path.clone());
        path
    }

    fn keep(&mut self, key: &str, toml: String, origin: Origin) {
        let section = self.path.clone();
        self.reader.effective.push(Effective { section, key: key.to_owned(), toml, origin });
    }

    fn misread(&mut self, path: &str, setting: Setting, wrong: &str, expected: &str) {
        let colon = if wrong.is_empty() { "" } else { ": " };
        let written = match &setting.value {
            // The entry at fault is named in `wrong`; the whole list would bury it.
            Value::List(_) => String::new(),
            value => format!(" = {value}"),
        };
        let text = format!("{path}{written}{colon}{wrong}; {expected}");
        self.reader.problems.push(Problem::new(setting.origin, text));
    }
}

/// `[limits]`, or `[[listener]]` for one of several.
pub(crate) fn header(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((name, index)) if index.parse::<usize>().is_ok() => format!("[[{name}]]"),
        _ => format!("[{path}]"),
    }
}
