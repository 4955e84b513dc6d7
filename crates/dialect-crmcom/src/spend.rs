//! One-time passwords, used up.

use domain::batch::{Commit, Outcome, Parameters};
use domain::catalogue::Catalogue;
use domain::find::{Find, Wanted};
use domain::names::InternalId;
use domain::row::{Cell, Mode, Row};
use engine::{Call, Caller, Engine, Error, RowsInMemory};

use crate::{NAME, names};

/// Takes the one-time password off an access token; false when somebody else was quicker.
///
/// Source: crmcom §8.3.
pub(crate) async fn one_time_password(
    engine: &Engine,
    caller: &Caller,
    catalogue: &Catalogue,
    token: InternalId,
    revision: u64,
) -> Result<bool, Error> {
    let entity = names::entity(catalogue, "access_token")?;
    let find = Find {
        entity: entity.ix,
        company: caller.company,
        wanted: Wanted::Ids(vec![token]),
        fields: Vec::new(),
    };
    let found = engine.find_for_write(caller, entity.ix, vec![find]).await?.pop().unwrap_or_default();
    let Some(hit) = found.into_iter().next() else { return Ok(false) };
    let mut row = Row::new(1, entity.ix);
    row.code = Some(hit.record.code);
    row.revision = Some(revision);
    row.set(names::field(entity, "one_time_password")?, Cell::Clear);
    let call = Call {
        door: NAME,
        operation: "access_tokens/one_time_password/spend".to_owned(),
        parameters: Parameters::new(Mode::Update, Commit::Alone),
        rows: Box::new(RowsInMemory::new(vec![row], vec!["{}".into()])),
        idempotency: None,
        columns: Vec::new(),
        memo: String::new(),
        progress: None,
    };
    let report = engine.execute(caller, call).await?;
    Ok(report.rows.iter().any(|row| row.outcome == Outcome::Updated))
}
