//! Keeping house: what is past its time goes.

use domain::names::BatchId;

use crate::execute::CUT;
use crate::{Engine, Error};

const DAY_MS: i64 = 86_400_000;

/// Days that idempotency keys are kept.
const KEY_DAYS: i64 = 30;

impl Engine {
    /// Forgets, in every project, journal and ledger pages, refused rows and idempotency keys that
    /// are past the days that the project keeps them. Counts of batches stay for ever.
    ///
    /// Journal and ledger of a chunk lie in one page, which stays as long as the longer of the two. Both
    /// stay longer than keys, whose answers are read from them.
    pub async fn forget_old(&self) -> Result<(), Error> {
        let now = self.now_ms();
        for code in self.control(|control| control.projects()).await? {
            let project = self.project(code.as_str()).await?;
            let settings = project.settings();
            let ledger_days = i64::from(settings.ledger_days).max(KEY_DAYS + 1);
            let page_days = ledger_days.max(i64::from(settings.journal_days));
            let before = move |days: i64| now - days * DAY_MS;
            self.load_revoked(&code).await?;
            self.write(&code, move |writer| {
                for (batch, _) in writer.documents(CUT)? {
                    let entry = writer.batch(&BatchId(batch.as_str().into()))?;
                    if entry.is_none_or(|entry| entry.started_at < before(page_days)) {
                        writer.remove_document(CUT, &batch)?;
                    }
                }
                writer.forget(before(page_days), before(ledger_days), before(KEY_DAYS))
            })
            .await?;
        }
        Ok(())
    }
}
