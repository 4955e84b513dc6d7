//! What rows and calls name, found by set: access tokens, and the accounts of participants.

use std::collections::{HashMap, HashSet};

use domain::catalogue::{Catalogue, Entity, EntityIx, FieldIx, Scope};
use domain::find::{Find, Found, Record, Wanted};
use domain::names::{Company, InternalId};
use domain::row::{By, Cell, Named, State};
use domain::rule::{Problem, Rule};
use domain::value::Value;
use engine::{Caller, Engine, Error};

use crate::decisions::{EFFECTIVE, TERMINATED};
use crate::fault::{Fault, TOKEN_PART};
use crate::names::{self, Bound, Identifier};
use crate::translate::rows::{Batch, Identified, TokenName, TokenUse, read_token, token_lookup};
use crate::tries::Tries;

/// Answers questions about one project for one caller.
pub(crate) struct Resolver<'a> {
    pub engine: &'a Engine,
    pub caller: &'a Caller,
    pub catalogue: &'a Catalogue,
    pub tries: &'a Tries,
    /// The entity to be written, when what is found only fills and checks its rows; else the caller
    /// must have the right to read what is found.
    pub written: Option<EntityIx>,
}

/// Whom an access token stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Holder {
    token: InternalId,
    revision: u64,
    participant: Option<InternalId>,
    customer: Option<InternalId>,
}

impl Resolver<'_> {
    /// Puts in the place of access tokens the records they stand for, and refuses rows of
    /// participants whose account is terminated.
    ///
    /// Source: crmcom §5.4, §6.4.
    pub async fn rows(&self, bound: &Bound<'_>, batch: &mut Batch) -> Result<(), Error> {
        let uses = std::mem::take(&mut batch.tokens);
        if !uses.is_empty() {
            self.tokens(bound, batch, &uses).await?;
        }
        self.accounts_of_participants(bound, batch).await
    }

    async fn tokens(&self, bound: &Bound<'_>, batch: &mut Batch, uses: &[TokenUse]) -> Result<(), Error> {
        let wanted: Vec<&TokenName> = uses.iter().map(|found| &found.token).collect();
        let holders = self.holders(&wanted).await?;
        let mut spent = HashSet::new();
        for (used, holder) in uses.iter().zip(holders) {
            let field = bound.entity.field(used.field);
            let to_customer = field.kind.target() == Some(names::entity(self.catalogue, "customer")?.ix);
            let once = matches!(used.token, TokenName::OneTimePassword(_));
            let holder = match holder {
                Some(holder) if once => self.spend(holder, &mut spent).await?.then_some(holder),
                other => other,
            };
            let id = holder.and_then(|holder| if to_customer { holder.customer } else { holder.participant });
            let row = &mut batch.rows[used.row];
            match id {
                Some(id) => {
                    let named = Named { by: By::Id, text: id.to_string().into() };
                    row.set(used.field, Cell::Refer(named));
                }
                None => {
                    let path = format!("{}{TOKEN_PART}", field.name);
                    let message = "no effective access token is named so";
                    row.problems.push(Problem::new(&path, Rule::UnknownReference, message));
                }
            }
        }
        Ok(())
    }

    /// A one-time password is used up by whoever names it first.
    async fn spend(&self, holder: Holder, spent: &mut HashSet<InternalId>) -> Result<bool, Error> {
        if !spent.insert(holder.token) {
            return Ok(false);
        }
        crate::spend::one_time_password(
            self.engine,
            self.caller,
            self.catalogue,
            holder.token,
            holder.revision,
        )
        .await
    }

    /// Whom access tokens stand for, each in its place; `None` for those that are not there, not
    /// effective, or not proven.
    async fn holders(&self, tokens: &[&TokenName]) -> Result<Vec<Option<Holder>>, Error> {
        let entity = names::entity(self.catalogue, "access_token")?;
        let field = |name: &str| names::field(entity, name);
        let fields = TokenFields { customer: 0, participant: 1, state: 2, pass_code: 3, expires: 4 };
        let asked = [
            "customer",
            "rewards_participant",
            "life_cycle_state",
            "pass_code",
            "one_time_password_expires_at",
        ];
        let asked: Vec<FieldIx> = asked.iter().map(|name| field(name)).collect::<Result<_, _>>()?;
        let mut finds: Vec<Find> = Vec::new();
        let mut places: Vec<Vec<usize>> = Vec::new();
        for (of_kind, name) in [(0_u8, "authentication_code"), (1, "identifier"), (2, "one_time_password")] {
            let own = tokens.iter().enumerate().filter(|(_, token)| kind_of(token) == of_kind);
            let (at, texts): (Vec<usize>, Vec<Value>) =
                own.map(|(at, token)| (at, Value::text(text_of(token)))).unzip();
            if at.is_empty() {
                continue;
            }
            let ix = field(name)?;
            let wanted = match entity.key_of_field(ix) {
                Some(key) => Wanted::Keys(key, texts.into_iter().map(|text| vec![text]).collect()),
                None => Wanted::Fields(ix, texts),
            };
            finds.push(self.find(entity, wanted, asked.clone()));
            places.push(at);
        }
        let mut found: Vec<Option<Record>> = vec![None; tokens.len()];
        for (hits, at) in self.ask(finds).await?.into_iter().zip(places) {
            for hit in hits {
                found[at[hit.at as usize]] = Some(hit.record);
            }
        }
        let now = self.engine.now_ms();
        let mut holders: Vec<Option<Holder>> = Vec::with_capacity(tokens.len());
        for (token, record) in tokens.iter().zip(found) {
            holders.push(record.filter(|record| self.proven(token, record, &fields, now)).map(|record| {
                Holder {
                    token: record.id,
                    revision: record.revision,
                    participant: record.values[fields.participant].as_reference(),
                    customer: record.values[fields.customer].as_reference(),
                }
            }));
        }
        self.fill_customers(&mut holders).await?;
        Ok(holders)
    }

    fn proven(&self, token: &TokenName, record: &Record, fields: &TokenFields, now: i64) -> bool {
        let effective =
            record.state == State::Live && record.values[fields.state].as_text() == Some(EFFECTIVE);
        match token {
            TokenName::AuthenticationCode(_) => effective,
            TokenName::Identifier { identifier, pass_code } => {
                let right = is_secret(record.values[fields.pass_code].as_text(), pass_code);
                // Right or wrong, a code that was guessed too often proves nothing for a while.
                let proven = self.tries.note(self.caller.project(), identifier, right, now);
                effective && proven
            }
            TokenName::OneTimePassword(_) => match record.values[fields.expires] {
                Value::Datetime(at) => effective && now < at,
                _ => effective,
            },
        }
    }

    /// Tokens of a participant stand for the participant's account too.
    async fn fill_customers(&self, holders: &mut [Option<Holder>]) -> Result<(), Error> {
        let wanting = holders.iter().flatten().filter(|holder| holder.customer.is_none());
        let ids: Vec<InternalId> = wanting.filter_map(|holder| holder.participant).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let entity = names::entity(self.catalogue, "rewards_participant")?;
        let customer = names::field(entity, "customer")?;
        let find = self.find(entity, Wanted::Ids(ids), vec![customer]);
        let owners: HashMap<InternalId, Option<InternalId>> = self
            .found(find)
            .await?
            .into_iter()
            .map(|hit| (hit.record.id, hit.record.values[0].as_reference()))
            .collect();
        for holder in holders.iter_mut().flatten().filter(|holder| holder.customer.is_none()) {
            holder.customer = holder.participant.and_then(|id| owners.get(&id).copied().flatten());
        }
        Ok(())
    }

    /// An event of a participant is an event of its account: that must not be terminated either.
    async fn accounts_of_participants(&self, bound: &Bound<'_>, batch: &mut Batch) -> Result<(), Error> {
        let participant = names::entity(self.catalogue, "rewards_participant")?;
        let customer = names::entity(self.catalogue, "customer")?;
        let fields: Vec<FieldIx> = bound
            .entity
            .fields()
            .filter(|(_, field)| field.kind.target() == Some(participant.ix))
            .map(|(ix, _)| ix)
            .collect();
        let mut uses: Vec<(usize, FieldIx, Named)> = Vec::new();
        for (n, row) in batch.rows.iter().enumerate() {
            for field in &fields {
                if let Some(Cell::Refer(named)) = row.cell(*field) {
                    uses.push((n, *field, named.clone()));
                }
            }
        }
        if uses.is_empty() {
            return Ok(());
        }
        let named: Vec<&Named> = uses.iter().map(|(_, _, named)| named).collect();
        let participants =
            self.named(participant, &named, vec![names::field(participant, "customer")?]).await?;
        let owner =
            |record: &Option<Record>| record.as_ref().and_then(|record| record.values[0].as_reference());
        let ids: Vec<InternalId> = participants.iter().filter_map(owner).collect();
        let find = self.find(customer, Wanted::Ids(ids), vec![names::field(customer, "life_cycle_state")?]);
        let terminated: HashSet<InternalId> = self
            .found(find)
            .await?
            .into_iter()
            .filter(|hit| hit.record.values[0].as_text() == Some(TERMINATED))
            .map(|hit| hit.record.id)
            .collect();
        for ((n, field, _), record) in uses.iter().zip(&participants) {
            if owner(record).is_some_and(|id| terminated.contains(&id)) {
                let path = &bound.entity.field(*field).name;
                let message = "the account of the participant is terminated";
                batch.rows[*n].problems.push(Problem::new(path, Rule::InvalidValue, message));
            }
        }
        Ok(())
    }

    /// Records so named, each in its place, by one find for each way of naming.
    async fn named(
        &self,
        entity: &Entity,
        named: &[&Named],
        fields: Vec<FieldIx>,
    ) -> Result<Vec<Option<Record>>, Error> {
        let mut kinds: Vec<(By, Vec<usize>)> = Vec::new();
        for (n, named) in named.iter().enumerate() {
            match kinds.iter_mut().find(|(by, _)| *by == named.by) {
                Some((_, places)) => places.push(n),
                None => kinds.push((named.by, vec![n])),
            }
        }
        let finds = kinds.iter().map(|(by, places)| {
            let texts = places.iter().map(|n| named[*n].text.clone());
            self.find(entity, wanted(*by, texts), fields.clone())
        });
        let finds: Vec<Find> = finds.collect();
        let mut records = vec![None; named.len()];
        for (hits, (_, places)) in self.ask(finds).await?.into_iter().zip(&kinds) {
            for hit in hits {
                records[places[hit.at as usize]] = Some(hit.record);
            }
        }
        Ok(records)
    }

    /// The record that an identifier of a call names, read with `fields`.
    ///
    /// Source: crmcom §5.4.
    pub async fn one(
        &self,
        identifier: &Identifier,
        identified: &Identified<'_>,
        fields: Vec<FieldIx>,
    ) -> Result<Record, Fault> {
        let entity = names::entity(self.catalogue, &identifier.entity)?;
        match identified {
            Identified::By(n, text) => {
                let by = names::bys(identifier, self.catalogue)?[*n];
                let find = self.find(entity, wanted(by, [text.clone()]), fields);
                let hits = self.found(find).await?;
                let mut live = hits.into_iter().filter(|hit| hit.record.state == State::Live);
                match (live.next(), live.next()) {
                    (Some(hit), None) => Ok(hit.record),
                    (None, _) => Err(Fault::not_found(&identifier.called, text)),
                    (Some(_), Some(_)) => Err(Fault::invalid(&identifier.name)),
                }
            }
            Identified::Token(text) => {
                let token = read_token(&token_lookup(), &identifier.name, text)
                    .map_err(|problem| crate::translate::question::of_identifier(&problem))?;
                let holder = self.holders(&[&token]).await?.pop().flatten();
                let mut holder = holder.ok_or_else(Fault::no_access_token)?;
                if matches!(token, TokenName::OneTimePassword(_))
                    && !self.spend(holder, &mut HashSet::new()).await?
                {
                    return Err(Fault::no_access_token());
                }
                let to_customer = &*entity.name == "customer";
                let id = if to_customer { holder.customer.take() } else { holder.participant.take() };
                let id = id.ok_or_else(Fault::no_access_token)?;
                let hits = self.found(self.find(entity, Wanted::Ids(vec![id]), fields)).await?;
                let hit = hits.into_iter().find(|hit| hit.record.state == State::Live);
                hit.map(|hit| hit.record).ok_or_else(Fault::no_access_token)
            }
        }
    }

    fn find(&self, entity: &Entity, wanted: Wanted, fields: Vec<FieldIx>) -> Find {
        let company = match entity.scope {
            Scope::Shared => Company::SHARED,
            Scope::Company => self.caller.company,
        };
        Find { entity: entity.ix, company, wanted, fields }
    }

    async fn found(&self, find: Find) -> Result<Vec<Found>, Error> {
        Ok(self.ask(vec![find]).await?.pop().unwrap_or_default())
    }

    async fn ask(&self, finds: Vec<Find>) -> Result<Vec<Vec<Found>>, Error> {
        match self.written {
            Some(written) => self.engine.find_for_write(self.caller, written, finds).await,
            None => self.engine.find(self.caller, finds).await,
        }
    }
}

struct TokenFields {
    customer: usize,
    participant: usize,
    state: usize,
    pass_code: usize,
    expires: usize,
}

fn kind_of(token: &TokenName) -> u8 {
    match token {
        TokenName::AuthenticationCode(_) => 0,
        TokenName::Identifier { .. } => 1,
        TokenName::OneTimePassword(_) => 2,
    }
}

fn text_of(token: &TokenName) -> &str {
    match token {
        TokenName::AuthenticationCode(text)
        | TokenName::Identifier { identifier: text, .. }
        | TokenName::OneTimePassword(text) => text,
    }
}

fn wanted(by: By, texts: impl IntoIterator<Item = Box<str>>) -> Wanted {
    let texts = texts.into_iter();
    match by {
        By::Code => Wanted::Codes(texts.collect()),
        By::Key(key) => Wanted::Keys(key, texts.map(|text| vec![Value::Text(text)]).collect()),
        By::Field(field) => Wanted::Fields(field, texts.map(Value::Text).collect()),
        By::Id => Wanted::Ids(texts.map(|text| InternalId(text.parse().unwrap_or_default())).collect()),
    }
}

/// Compares a secret as it is stored with one that was sent, in a time that does not tell where
/// they differ.
fn is_secret(stored: Option<&str>, sent: &str) -> bool {
    let Some(stored) = stored else { return false };
    let (stored, sent) = (stored.as_bytes(), sent.as_bytes());
    let differing = stored.iter().zip(sent).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(differing) == 0 && stored.len() == sent.len()
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn only_the_same_secret_is_the_secret() {
        assert!(is_secret(Some("1234"), "1234"));
        for sent in ["", "123", "12345", "1235"] {
            assert!(!is_secret(Some("1234"), sent), "{sent}");
        }
        assert!(!is_secret(None, ""));
    }
}
