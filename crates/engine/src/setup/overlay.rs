//! What a project file adds to the catalogue: pure, from overlay to overlay.

use domain::catalogue::file::{self, AccessFile, EntityFile, FieldFile, KeyFile, NumberingFile, Overlay};

use super::file::ProjectFile;
use super::{AppliedLine, Verb};

/// The overlay that a project shall have, and what that changes.
pub(super) struct Grown {
    pub(super) overlay: Overlay,
    pub(super) lines: Vec<AppliedLine>,
    pub(super) problems: Vec<String>,
}

/// Adds to an overlay what a file names; with `prune`, takes away the switches and rules that it
/// does not name. What holds data is never taken away.
pub(super) fn grow(stored: &Overlay, wanted: &ProjectFile, prune: bool) -> Grown {
    let standard = domain::catalogue::standard();
    let mut grown = Grown { overlay: stored.clone(), lines: Vec::new(), problems: Vec::new() };
    for entity in &wanted.entities {
        grown.entity(&standard, entity);
    }
    for field in &wanted.fields {
        grown.field(&standard, &field.entity, field.field());
    }
    for key in &wanted.keys {
        grown.key(&standard, &key.entity, key.key());
    }
    for access in &wanted.access {
        let switches = AccessFile { read: access.read, insert: access.insert, update: access.update };
        grown.access(&standard, &access.entity, switches);
    }
    for rule in &wanted.numbering {
        grown.numbering(&standard, &rule.entity, rule.rule());
    }
    if prune {
        grown.prune(wanted);
    }
    if grown.overlay != *stored {
        grown.overlay.version += 1;
    }
    if grown.problems.is_empty()
        && let Err(fault) = file::overlaid(&grown.overlay)
    {
        grown.problems.push(fault.to_string());
    }
    grown
}

impl Grown {
    fn say(&mut self, verb: Verb, what: String) {
        self.lines.push(AppliedLine { verb, what });
    }

    /// Says that something changed, and in what; or that it did not.
    fn say_changed(&mut self, what: String, changed: &[&str]) {
        match changed {
            [] => self.say(Verb::Unchanged, what),
            some => self.say(Verb::Changed, format!("{what} ({})", some.join(", "))),
        }
    }

    fn entity(&mut self, standard: &[EntityFile], wanted: &EntityFile) {
        let name = &wanted.name;
        if standard.iter().any(|entity| entity.name == *name) {
            let text =
                format!("entity {name}: the standard model has it; add [[field]] tables to it instead");
            return self.problems.push(text);
        }
        let Some(at) = self.overlay.entities.iter().position(|entity| entity.name == *name) else {
            let mut new = wanted.clone();
            new.own = true;
            new.fields.iter_mut().for_each(|field| field.own = true);
            self.overlay.entities.push(new);
            return self.say(Verb::Added, format!("entity {name}"));
        };
        let stored = &mut self.overlay.entities[at];
        if stored.prefix != wanted.prefix {
            let text = format!("entity {name}: prefix is {} and cannot change; write it so", stored.prefix);
            return self.problems.push(text);
        }
        if stored.scope != wanted.scope {
            let text = format!("entity {name}: scope is {} and cannot change; write it so", stored.scope);
            return self.problems.push(text);
        }
        let mut changed = Vec::new();
        if stored.plural != wanted.plural {
            stored.plural.clone_from(&wanted.plural);
            changed.push("plural");
        }
        if stored.labels != wanted.labels {
            stored.labels.clone_from(&wanted.labels);
            changed.push("labels");
        }
        if stored.access != wanted.access {
            stored.access = wanted.access;
            changed.push("access");
        }
        let indexes = wanted.indexes.iter().filter(|index| !stored.indexes.contains(index));
        let indexes: Vec<_> = indexes.cloned().collect();
        if !indexes.is_empty() {
            stored.indexes.extend(indexes);
            changed.push("index");
        }
        for rule in &wanted.numbering {
            if !stored.numbering.contains(rule) {
                stored.numbering.retain(|old| old.field != rule.field);
                stored.numbering.push(rule.clone());
                changed.push("numbering");
            }
        }
        self.say_changed(format!("entity {name}"), &changed);
        // What comes later goes behind what is there, so that places stay what they were.
        for field in &wanted.fields {
            self.field(standard, name, FieldFile { own: false, ..field.clone() });
        }
        for key in &wanted.keys {
            self.key(standard, name, key.clone());
        }
    }

    fn field(&mut self, standard: &[EntityFile], entity: &str, wanted: FieldFile) {
        let what = format!("field {} of {entity}", wanted.name);
        if !self.is_entity(standard, entity) {
            return self.problems.push(format!("{what}: {}", no_entity(entity)));
        }
        let built_in = standard.iter().find(|file| file.name == entity);
        if built_in.is_some_and(|file| file.fields.iter().any(|field| field.name == wanted.name)) {
            let text = format!("{what}: the standard model has a field of this name; choose another");
            return self.problems.push(text);
        }
        let Overlay { entities, fields, .. } = &mut self.overlay;
        let of_entity =
            entities.iter_mut().filter(|file| file.name == entity).flat_map(|file| &mut file.fields);
        let added = fields.iter_mut().filter(|(of, _)| of == entity).map(|(_, field)| field);
        let Some(stored) = of_entity.chain(added).find(|field| field.name == wanted.name) else {
            self.overlay.fields.push((entity.to_owned(), FieldFile { own: true, ..wanted }));
            return self.say(Verb::Added, what);
        };
        if stored.kind != wanted.kind && !is_wider(&stored.kind, &wanted.kind) {
            let text = format!(
                "{what}: its type is {} and cannot become {}, which may not hold what is stored; \
                 only texts can get longer: add a field of another name",
                stored.kind, wanted.kind
            );
            return self.problems.push(text);
        }
        let mut changed = Vec::new();
        let differs = [
            ("type", stored.kind != wanted.kind),
            ("required", stored.required != wanted.required),
            ("read_only", stored.read_only != wanted.read_only),
            ("secret", stored.secret != wanted.secret),
            ("search", stored.search != wanted.search),
            ("index", stored.index != wanted.index),
            ("default", stored.default != wanted.default),
            ("data_type", stored.data_type != wanted.data_type),
            ("labels", stored.labels != wanted.labels),
        ];
        changed.extend(differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name));
        *stored = FieldFile { own: stored.own, ..wanted };
        self.say_changed(what, &changed);
    }

    fn key(&mut self, standard: &[EntityFile], entity: &str, wanted: KeyFile) {
        let what = format!("key {} of {entity}", wanted.name);
        if !self.is_entity(standard, entity) {
            return self.problems.push(format!("{what}: {}", no_entity(entity)));
        }
        let files = standard.iter().chain(&self.overlay.entities).filter(|file| file.name == entity);
        let of_entity = files.flat_map(|file| &file.keys);
        let added = self.overlay.keys.iter().filter(|(of, _)| of == entity).map(|(_, key)| key);
        match of_entity.chain(added).find(|key| key.name == wanted.name) {
            Some(stored) if *stored == wanted => self.say(Verb::Unchanged, what),
            Some(_) => {
                let text = format!("{what}: a key cannot change; add one of another name");
                self.problems.push(text);
            }
            None => {
                self.overlay.keys.push((entity.to_owned(), wanted));
                self.say(Verb::Added, what);
            }
        }
    }

    fn access(&mut self, standard: &[EntityFile], entity: &str, wanted: AccessFile) {
        let what = format!("access to {entity}");
        if !self.is_entity(standard, entity) {
            return self.problems.push(format!("{what}: {}", no_entity(entity)));
        }
        let files = standard.iter().chain(&self.overlay.entities);
        let by_file = files.filter(|file| file.name == entity).map(|file| file.access).next();
        let now = self.overlay.access.get(entity).copied().or(by_file).unwrap_or_default();
        if now == wanted {
            return self.say(Verb::Unchanged, what);
        }
        self.overlay.access.insert(entity.to_owned(), wanted);
        self.say(Verb::Changed, what);
    }

    fn numbering(&mut self, standard: &[EntityFile], entity: &str, wanted: NumberingFile) {
        let what = format!("numbering of {entity}.{}", wanted.field);
        if !self.is_entity(standard, entity) {
            return self.problems.push(format!("{what}: {}", no_entity(entity)));
        }
        let is_same = |rule: &&NumberingFile| rule.field == wanted.field;
        let files = standard.iter().chain(&self.overlay.entities).filter(|file| file.name == entity);
        let by_file = files.flat_map(|file| &file.numbering).find(is_same);
        let own =
            self.overlay.numbering.iter().filter(|(of, _)| of == entity).map(|(_, rule)| rule).find(is_same);
        match own.or(by_file) {
            Some(rule) if *rule == wanted => return self.say(Verb::Unchanged, what),
            Some(_) => self.say(Verb::Changed, what),
            None => self.say(Verb::Added, what),
        }
        self.overlay.numbering.retain(|(of, rule)| of != entity || rule.field != wanted.field);
        self.overlay.numbering.push((entity.to_owned(), wanted));
    }

    fn prune(&mut self, wanted: &ProjectFile) {
        let named: Vec<&str> = wanted.access.iter().map(|access| access.entity.as_str()).collect();
        let gone: Vec<String> =
            self.overlay.access.keys().filter(|entity| !named.contains(&entity.as_str())).cloned().collect();
        for entity in gone {
            self.overlay.access.remove(&entity);
            self.say(Verb::Removed, format!("access to {entity}"));
        }
        let is_named = |entity: &str, field: &str| {
            wanted.numbering.iter().any(|rule| rule.entity == entity && rule.field == field)
        };
        let rules = std::mem::take(&mut self.overlay.numbering);
        for (entity, rule) in rules {
            if is_named(&entity, &rule.field) {
                self.overlay.numbering.push((entity, rule));
            } else {
                self.say(Verb::Removed, format!("numbering of {entity}.{}", rule.field));
            }
        }
        self.check_kept(wanted);
    }

    /// Entities, fields and keys stay: the file must name them.
    fn check_kept(&mut self, wanted: &ProjectFile) {
        let Grown { overlay, problems, .. } = self;
        let mut keep = |what: String| {
            problems.push(format!(
                "{what}: what holds data is never removed; name it in the file, or leave --prune out"
            ));
        };
        let entity = |name: &str| wanted.entities.iter().find(|entity| entity.name == name);
        let names_field = |of: &str, name: &str| {
            wanted.fields.iter().any(|field| field.entity == of && field.name == name)
                || entity(of).is_some_and(|entity| entity.fields.iter().any(|field| field.name == name))
        };
        for stored in &overlay.entities {
            if entity(&stored.name).is_none() {
                keep(format!("entity {}", stored.name));
                continue;
            }
            for field in stored.fields.iter().filter(|field| !names_field(&stored.name, &field.name)) {
                keep(format!("field {} of {}", field.name, stored.name));
            }
        }
        for (of, field) in overlay.fields.iter().filter(|(of, field)| !names_field(of, &field.name)) {
            keep(format!("field {} of {of}", field.name));
        }
        for (of, key) in &overlay.keys {
            let named = wanted.keys.iter().any(|table| table.entity == *of && table.name == key.name)
                || entity(of).is_some_and(|entity| entity.keys.iter().any(|named| named.name == key.name));
            if !named {
                keep(format!("key {} of {of}", key.name));
            }
        }
    }

    fn is_entity(&self, standard: &[EntityFile], name: &str) -> bool {
        standard.iter().chain(&self.overlay.entities).any(|file| file.name == name)
    }
}

fn no_entity(name: &str) -> String {
    format!("there is no entity {name}; the catalogue lists the names")
}

/// True when every value of a text type is one of the other.
fn is_wider(stored: &str, wanted: &str) -> bool {
    let length = |kind: &str| match kind {
        "long_text" => Some(u32::MAX),
        _ => kind.strip_prefix("text(")?.strip_suffix(')')?.parse::<u32>().ok(),
    };
    matches!((length(stored), length(wanted)), (Some(stored), Some(wanted)) if wanted >= stored)
}
