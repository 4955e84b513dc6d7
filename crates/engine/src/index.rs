//! The key index of a call: what its rows share, before any of them is planned.
//!
//! The first walk over the rows counts them, cuts them into chunks, finds keys that come twice and
//! rows that name later rows. It keeps a few bytes a row; the rows themselves stay in memory only
//! while they are few.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domain::batch::{Commit, Parameters, Repeated};
use domain::catalogue::{Catalogue, Entity, EntityIx, KeyIx, Scope};
use domain::keys::{KeyHash, KeySecret};
use domain::names::Company;
use domain::row::{By, Cell, Named, Row};
use domain::rule::{Problem, Rule};
use domain::settle::Given;
use domain::value::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::rows::Rows;
use crate::{Config, Error};

/// What the first walk found.
pub(crate) struct Scanned {
    /// Number of rows.
    pub total: u64,
    /// First row of each chunk, from 0, and how many rows stand there in the body.
    pub chunks: Vec<(u64, u64)>,
    /// Problems that only the whole call shows, by row number.
    pub known: Arc<HashMap<u64, Problem>>,
    /// True when the wire alone shows a row to be wrong.
    pub shape_fault: bool,
    /// Rows planned in a later chunk than their own, because they name a row there.
    deferred: HashMap<u64, u32>,
    /// The same rows by the chunk that plans them; as they must be known to be read again.
    late: HashMap<u32, Vec<Row>>,
    /// True when a row names a row of another chunk: chunks must be planned one after the other.
    pub linked: bool,
    /// Numbers that rows bring, where several chunks are written in one turn.
    pub given: Arc<Given>,
}

impl Scanned {
    /// True when every row is planned in the chunk where it stands.
    pub(crate) fn nothing_deferred(&self) -> bool {
        self.deferred.is_empty()
    }

    /// What is the same whenever the rows are cut and planned in the same chunks.
    pub(crate) fn cut(&self) -> String {
        let mut hash = Sha256::new();
        for (first, count) in &self.chunks {
            hash.update(first.to_le_bytes());
            hash.update(count.to_le_bytes());
        }
        for (row, chunk) in self.deferred.iter().collect::<BTreeMap<_, _>>() {
            hash.update(row.to_le_bytes());
            hash.update(chunk.to_le_bytes());
        }
        crate::login::hex(&hash.finalize())
    }
}

/// Most rows, and bytes, of a batch that is planned in one piece because it says what becomes of
/// children that it does not name.
const WHOLE_ROWS: u64 = 50_000;
const WHOLE_BYTES: usize = 64 << 20;

/// Keys are kept in steps of a quarter: a list that doubles would take up to twice what it needs.
fn push(places: &mut Vec<Place>, place: Place) {
    if places.len() == places.capacity() {
        places.reserve_exact((places.len() / 4).max(4_096));
    }
    places.push(place);
}

/// Rows with what the first walk found.
pub(crate) struct Source {
    rows: Box<dyn Rows>,
    /// The rows, while they are few; a taken one is gone.
    kept: Option<Vec<Option<Row>>>,
    pub scanned: Scanned,
    /// Chunk that the walk stands before.
    next: u32,
}

/// What the walk needs to know.
pub(crate) struct Scan<'a> {
    pub catalogue: &'a Catalogue,
    pub parameters: &'a Parameters,
    pub company: Company,
    pub secret: KeySecret,
    pub config: &'a Config,
    /// Most rows of a chunk.
    pub chunk_rows: usize,
    /// Most bytes of a chunk.
    pub chunk_bytes: usize,
}

/// Where a key stands: hash in two halves, so that a place takes 24 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64, u64, u32);

impl Place {
    fn new(hash: KeyHash, row: u64) -> Self {
        Place((hash >> 64) as u64, hash as u64, row as u32)
    }

    fn same_key(&self, other: &Place) -> bool {
        self.0 == other.0 && self.1 == other.1
    }
}

impl Source {
    /// Walks over all rows once. While the rows are few, each chunk is handed over as soon as it
    /// has been read, to be planned ahead; its rows can be read again.
    pub(crate) fn scan(
        mut rows: Box<dyn Rows>,
        scan: &Scan<'_>,
        mut hand_over: Option<mpsc::Sender<Vec<Row>>>,
    ) -> Result<Self, Error> {
        let entities: HashSet<EntityIx> = rows.entities().into_iter().collect();
        let mut walk = Walk::new(scan, entities);
        let mut kept = Some(Vec::new());
        let (mut kept_bytes, mut handed) = (0, 0);
        while let Some(row) = rows.next()? {
            let chunks = walk.chunks.len();
            walk.row(&row)?;
            kept_bytes += row.weight();
            if kept_bytes > scan.config.rows_in_memory {
                (kept, hand_over) = (None, None);
            }
            let Some(rows) = &mut kept else { continue };
            if walk.chunks.len() > chunks {
                hand_chunk(&mut hand_over, rows, &mut handed);
            }
            rows.push(Some(row));
        }
        if let Some(rows) = &mut kept {
            hand_chunk(&mut hand_over, rows, &mut handed);
        }
        let handed = handed > 0;
        let mut source = Source { rows, kept, scanned: walk.finish()?, next: u32::MAX };
        source.note_late_rows(handed)?;
        Ok(source)
    }

    /// Number of chunks; at least one, so that an empty call has its entry in the ledger.
    pub(crate) fn chunks(&self) -> u32 {
        self.scanned.chunks.len() as u32
    }

    /// True while all rows are in memory.
    pub(crate) fn is_small(&self) -> bool {
        self.kept.is_some()
    }

    /// The rows that are planned in a chunk.
    pub(crate) fn chunk(&mut self, chunk: u32) -> Result<Vec<Row>, Error> {
        let (first, count) = self.scanned.chunks[chunk as usize];
        if let Some(rows) = self.take_kept(chunk, first, count) {
            return Ok(rows);
        }
        if self.next != chunk {
            self.rows.rewind()?;
            for _ in 0..first {
                self.rows.next()?;
            }
        }
        // Where the walk stands is unknown until it got to the end.
        self.next = u32::MAX;
        let mut rows = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let row = self.rows.next()?.ok_or_else(|| Error::internal("a body became shorter"))?;
            if !self.scanned.deferred.contains_key(&row.number) {
                rows.push(row);
            }
        }
        self.next = chunk + 1;
        for late in self.scanned.late.get(&chunk).into_iter().flatten() {
            rows.push(self.rows.again(late)?);
        }
        Ok(rows)
    }

    fn take_kept(&mut self, chunk: u32, first: u64, count: u64) -> Option<Vec<Row>> {
        let kept = self.kept.as_mut()?;
        let own = (first..first + count).filter(|n| !self.scanned.deferred.contains_key(&(n + 1)));
        let late = self.scanned.late.get(&chunk).into_iter().flatten().map(|row| row.number - 1);
        let members: Vec<u64> = own.chain(late).collect();
        if members.iter().any(|n| kept[*n as usize].is_none()) {
            return None;
        }
        Some(members.iter().filter_map(|n| kept[*n as usize].take()).collect())
    }

    /// A row as it was received.
    pub(crate) fn received(&mut self, entity: EntityIx, span: domain::row::Span) -> String {
        self.rows.received(entity, span).unwrap_or_default()
    }

    /// Notes what is needed to read deferred rows again.
    fn note_late_rows(&mut self, handed: bool) -> Result<(), Error> {
        if self.scanned.deferred.is_empty() {
            return Ok(());
        }
        let stub = |row: &Row| Row { line: row.line, span: row.span, ..Row::new(row.number, row.entity) };
        let note = |late: &mut HashMap<u32, Vec<Row>>, row: &Row| {
            if let Some(chunk) = self.scanned.deferred.get(&row.number) {
                late.entry(*chunk).or_default().push(stub(row));
            }
        };
        let mut late = HashMap::new();
        match &self.kept {
            Some(kept) if !handed => kept.iter().flatten().for_each(|row| note(&mut late, row)),
            _ => {
                self.rows.rewind()?;
                while let Some(row) = self.rows.next()? {
                    note(&mut late, &row);
                }
            }
        }
        self.scanned.late = late;
        Ok(())
    }
}

/// Hands over the rows kept since the last chunk that was. Nobody may want them any more: then
/// they stay.
fn hand_chunk(to: &mut Option<mpsc::Sender<Vec<Row>>>, kept: &mut [Option<Row>], handed: &mut usize) {
    let Some(sender) = to else { return };
    if sender.is_closed() {
        *to = None;
        return;
    }
    let rows: Vec<Row> = kept[*handed..].iter_mut().filter_map(Option::take).collect();
    *handed = kept.len();
    if !rows.is_empty() && sender.blocking_send(rows).is_err() {
        *to = None;
    }
}

struct Walk<'a> {
    scan: &'a Scan<'a>,
    entities: HashSet<EntityIx>,
    total: u64,
    chunks: Vec<(u64, u64)>,
    bytes: usize,
    keys: Vec<Place>,
    ids: Vec<Place>,
    named: Vec<Place>,
    in_chunk: HashSet<KeyHash>,
    shape_fault: bool,
    given: Given,
}

impl<'a> Walk<'a> {
    fn new(scan: &'a Scan<'a>, entities: HashSet<EntityIx>) -> Self {
        Walk {
            scan,
            entities,
            total: 0,
            chunks: vec![(0, 0)],
            bytes: 0,
            keys: Vec::new(),
            ids: Vec::new(),
            named: Vec::new(),
            in_chunk: HashSet::new(),
            shape_fault: false,
            given: Given::default(),
        }
    }

    fn row(&mut self, row: &Row) -> Result<(), Error> {
        if self.total >= u64::from(u32::MAX) {
            return Err(Error::TooLarge("a call holds at most 4,294,967,295 rows; split it".to_owned()));
        }
        let scan = self.scan;
        let entity = scan.catalogue.entity(row.entity);
        let company = row.company.unwrap_or(scan.company);
        let own = if entity.scope == Scope::Shared { Company::SHARED } else { company };
        let from = self.keys.len();
        if let Some(code) = &row.code {
            let hash = scan.secret.text(entity.ix, own, By::Code, code);
            push(&mut self.keys, Place::new(hash, row.number));
        }
        for n in 0..entity.keys.len() {
            if let Some(hash) = key_in(scan.secret, entity, own, KeyIx(n as u16), row) {
                push(&mut self.keys, Place::new(hash, row.number));
            }
        }
        if scan.parameters.commit == Commit::Together {
            self.given.note(entity, own, row);
        }
        if scan.parameters.repeated_ids != Repeated::InTurn
            && let Some(id) = &row.id
        {
            let hash = scan.secret.text(EntityIx(u16::MAX), Company::SHARED, By::Id, id);
            push(&mut self.ids, Place::new(hash, row.number));
        }
        for (field, cell) in &row.cells {
            let named: &[Named] = match cell {
                Cell::Refer(named) => std::slice::from_ref(named),
                Cell::ReferMany(many) => many,
                _ => continue,
            };
            let Some(target) = entity.field(*field).kind.target() else { continue };
            if !self.entities.contains(&target) {
                continue;
            }
            let shared = scan.catalogue.entity(target).scope == Scope::Shared;
            let within = if shared { Company::SHARED } else { company };
            for named in named.iter().filter(|named| matches!(named.by, By::Code | By::Key(_))) {
                let hash = scan.secret.text(target, within, named.by, &named.text);
                push(&mut self.named, Place::new(hash, row.number));
            }
        }
        self.shape_fault |= !row.problems.is_empty();
        self.cut(row, from)?;
        self.total += 1;
        Ok(())
    }

    /// Begins a new chunk where the row does not fit into the present one.
    fn cut(&mut self, row: &Row, from: usize) -> Result<(), Error> {
        let weight = row.weight();
        let scan = self.scan;
        if !scan.parameters.not_named.is_empty() {
            self.bytes += weight;
            self.chunks[0].1 += 1;
            if self.chunks[0].1 > WHOLE_ROWS || self.bytes > WHOLE_BYTES {
                let text = format!(
                    "a call that deletes what it does not name holds at most {WHOLE_ROWS} rows; split it"
                );
                return Err(Error::TooLarge(text));
            }
            return Ok(());
        }
        let in_turn = self.scan.parameters.repeated == Repeated::InTurn;
        let hashes = self.keys[from..].iter().map(|place| (u128::from(place.0) << 64) | u128::from(place.1));
        let mut again = false;
        if in_turn {
            for hash in hashes.clone() {
                again |= self.in_chunk.contains(&hash);
            }
        }
        let (_, count) = self.chunks[self.chunks.len() - 1];
        let full = count as usize >= scan.chunk_rows || self.bytes + weight > scan.chunk_bytes;
        if count > 0 && (full || again) {
            self.chunks.push((self.total, 0));
            self.bytes = 0;
            self.in_chunk.clear();
        }
        if in_turn {
            self.in_chunk.extend(hashes);
        }
        self.bytes += weight;
        let last = self.chunks.len() - 1;
        self.chunks[last].1 += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Scanned, Error> {
        let mut known = HashMap::new();
        self.keys.sort_unstable();
        let hint = "send each record once in a batch";
        match self.scan.parameters.repeated {
            Repeated::RefuseAll => {
                note_repeated(&self.keys, "code", "the same record stands", hint, |_, _| false, &mut known);
            }
            Repeated::FirstWins => {
                // Of rows in one chunk planning knows which is the first that is accepted.
                let own = |row: u32| self.chunks.partition_point(|(first, _)| *first < u64::from(row));
                let spared = |first: u32, row: u32| own(first) == own(row);
                note_repeated(&self.keys, "code", "the same record stands", hint, spared, &mut known);
            }
            Repeated::InTurn => {}
        }
        self.ids.sort_unstable();
        let hint = "give each row an id of its own";
        let first_wins = self.scan.parameters.repeated_ids == Repeated::FirstWins;
        let spared = |first: u32, row: u32| first_wins && first == row;
        note_repeated(&self.ids, "id", "the same id stands", hint, spared, &mut known);
        if self.chunks.len() == 1 {
            self.given = Given::default();
        }
        self.given.complete();
        let (deferred, linked) = self.defer();
        Ok(Scanned {
            total: self.total,
            chunks: self.chunks,
            known: Arc::new(known),
            shape_fault: self.shape_fault,
            deferred,
            late: HashMap::new(),
            linked,
            given: Arc::new(self.given),
        })
    }

    /// Moves rows that name later rows into the chunks of those.
    fn defer(&self) -> (HashMap<u64, u32>, bool) {
        let mut deferred: HashMap<u64, u32> = HashMap::new();
        if self.chunks.len() == 1 || self.named.is_empty() {
            return (deferred, false);
        }
        let own = |row: u64| self.chunks.partition_point(|(first, _)| *first < row) as u32 - 1;
        let mut edges = Vec::new();
        let mut linked = false;
        for place in &self.named {
            let at = self.keys.partition_point(|key| (key.0, key.1) < (place.0, place.1));
            if let Some(target) = self.keys.get(at).filter(|key| key.same_key(place)) {
                linked |= own(u64::from(target.2)) != own(u64::from(place.2));
                edges.push((u64::from(place.2), u64::from(target.2)));
            }
        }
        loop {
            let mut moved = false;
            for (from, to) in &edges {
                let chunk = |row: &u64| deferred.get(row).copied().unwrap_or_else(|| own(*row));
                let (mine, theirs) = (chunk(from), chunk(to));
                if theirs > mine {
                    deferred.insert(*from, theirs);
                    moved = true;
                }
            }
            if !moved {
                return (deferred, linked);
            }
        }
    }
}

/// Notes rows whose key comes twice, but for those that are spared beside the first of their key.
fn note_repeated(
    places: &[Place],
    field: &str,
    what: &str,
    hint: &str,
    spared: impl Fn(u32, u32) -> bool,
    known: &mut HashMap<u64, Problem>,
) {
    for group in places.chunk_by(Place::same_key) {
        if group.len() < 2 {
            continue;
        }
        for (n, place) in group.iter().enumerate() {
            let other = group[if n == 0 { 1 } else { 0 }].2;
            if other == place.2 || spared(group[0].2, place.2) {
                continue;
            }
            let problem = Problem::new(field, Rule::DuplicateInBatch, format!("{what} in row {other} too"));
            known.entry(u64::from(place.2)).or_insert(problem.with_hint(hint));
        }
    }
}

/// Hash of a further key as far as the row itself gives it.
fn key_in(secret: KeySecret, entity: &Entity, company: Company, key: KeyIx, row: &Row) -> Option<KeyHash> {
    const NULL: &Value = &Value::Null;
    let parts = &entity.key(key).fields;
    let mut values: Vec<&Value> = Vec::with_capacity(parts.len());
    for (field, null_is_value) in parts {
        match row.cell(*field) {
            Some(Cell::Set(value)) => values.push(value),
            None | Some(Cell::Clear) if *null_is_value => values.push(NULL),
            _ => return None,
        }
    }
    Some(secret.values(entity.ix, company, By::Key(key), values))
}
