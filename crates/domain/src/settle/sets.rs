//! Groups settled changes into sets that fill the same columns.

use std::collections::HashMap;

use super::{InsertRow, InsertSet, MarkSet, Settling, UpdateSet, Write};
use crate::catalogue::{EntityIx, FieldIx};
use crate::changes::{Change, ChangeKind, NewCode};
use crate::names::InternalId;
use crate::row::State;
use crate::value::Value;

type Renames = Vec<(InternalId, Box<str>)>;
type Group = (u16, EntityIx, Vec<FieldIx>);

pub(super) struct Sets<'a> {
    settling: &'a Settling<'a>,
    inserts: Vec<(u16, InsertSet)>,
    insert_places: HashMap<Group, usize>,
    updates: Vec<UpdateSet>,
    update_places: HashMap<Group, usize>,
    renames: Vec<(EntityIx, Renames)>,
    marks: Vec<MarkSet>,
    removals: Vec<(EntityIx, Vec<InternalId>)>,
}

impl<'a> Sets<'a> {
    pub(super) fn new(settling: &'a Settling<'a>) -> Self {
        Sets {
            settling,
            inserts: Vec::new(),
            insert_places: HashMap::new(),
            updates: Vec::new(),
            update_places: HashMap::new(),
            renames: Vec::new(),
            marks: Vec::new(),
            removals: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, change: Change, revision: u64) {
        let Change { entity, company, id, kind, .. } = change;
        match kind {
            ChangeKind::Insert { code, mut values, level, patched, .. } => {
                for field in patched {
                    if let Ok(at) = values.binary_search_by_key(&field, |(ix, _)| *ix) {
                        let (field, value) = values.remove(at);
                        self.update(entity, id, revision, vec![(field, value)]);
                    }
                }
                let (fields, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
                let code = match code {
                    NewCode::Given(code) => code,
                    NewCode::Numbered | NewCode::Form(_) => Box::default(),
                };
                self.insert_set(level, entity, fields).rows.push(InsertRow {
                    id,
                    company,
                    code,
                    revision,
                    values,
                });
            }
            ChangeKind::Revive { new_code, values, .. } => {
                let mut all: Vec<(FieldIx, Value)> = self
                    .settling
                    .catalogue
                    .entity(entity)
                    .fields()
                    .map(|(ix, _)| (ix, Value::Null))
                    .collect();
                for (field, value) in values {
                    all[usize::from(field.0)].1 = value;
                }
                self.update(entity, id, revision, all);
                self.mark(entity, id, revision, State::Live);
                if let Some(code) = new_code {
                    slot(&mut self.renames, entity).push((id, code));
                }
            }
            ChangeKind::Update { new_code, fields, .. } => {
                let fields = fields.into_iter().map(|(field, _, after)| (field, after)).collect();
                self.update(entity, id, revision, fields);
                if let Some(code) = new_code {
                    slot(&mut self.renames, entity).push((id, code));
                }
            }
            ChangeKind::Mark { state, .. } => self.mark(entity, id, revision, state),
            ChangeKind::Remove { .. } => slot(&mut self.removals, entity).push(id),
        }
    }

    fn insert_set(&mut self, level: u16, entity: EntityIx, fields: Vec<FieldIx>) -> &mut InsertSet {
        let place = match self.insert_places.get(&(level, entity, fields.clone())) {
            Some(place) => *place,
            None => {
                let set = InsertSet {
                    entity,
                    fields: fields.clone(),
                    instant: self.settling.instant,
                    export_mark: self.settling.export_mark.unwrap_or(1),
                    rows: Vec::new(),
                };
                self.inserts.push((level, set));
                self.insert_places.insert((level, entity, fields), self.inserts.len() - 1);
                self.inserts.len() - 1
            }
        };
        &mut self.inserts[place].1
    }

    fn update(&mut self, entity: EntityIx, id: InternalId, revision: u64, fields: Vec<(FieldIx, Value)>) {
        let (fields, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
        let place = match self.update_places.get(&(0, entity, fields.clone())) {
            Some(place) => *place,
            None => {
                self.updates.push(UpdateSet {
                    entity,
                    fields: fields.clone(),
                    instant: self.settling.instant,
                    export_mark: self.settling.export_mark,
                    rows: Vec::new(),
                });
                self.update_places.insert((0, entity, fields), self.updates.len() - 1);
                self.updates.len() - 1
            }
        };
        self.updates[place].rows.push((id, revision, values));
    }

    fn mark(&mut self, entity: EntityIx, id: InternalId, revision: u64, state: State) {
        let place = self.marks.iter().position(|set| set.entity == entity).unwrap_or_else(|| {
            self.marks.push(MarkSet {
                entity,
                instant: self.settling.instant,
                export_mark: self.settling.export_mark,
                rows: Vec::new(),
            });
            self.marks.len() - 1
        });
        self.marks[place].rows.push((id, revision, state));
    }

    /// New records by level, then what changes them or others, then what goes.
    pub(super) fn finish(mut self, blobs: Vec<([u8; 32], Vec<u8>)>) -> Vec<Write> {
        self.inserts.sort_by_key(|(level, _)| *level);
        let mut writes: Vec<Write> = self.inserts.into_iter().map(|(_, set)| Write::Insert(set)).collect();
        writes.extend(self.updates.into_iter().map(Write::Update));
        writes.extend(self.renames.into_iter().map(|(entity, rows)| Write::Rename(entity, rows)));
        writes.extend(self.marks.into_iter().map(Write::Mark));
        writes.extend(self.removals.into_iter().map(|(entity, ids)| Write::Remove(entity, ids)));
        if !blobs.is_empty() {
            writes.push(Write::Blobs(blobs));
        }
        writes
    }
}

fn slot<T>(groups: &mut Vec<(EntityIx, Vec<T>)>, entity: EntityIx) -> &mut Vec<T> {
    let place = groups.iter().position(|(ix, _)| *ix == entity).unwrap_or_else(|| {
        groups.push((entity, Vec::new()));
        groups.len() - 1
    });
    &mut groups[place].1
}
