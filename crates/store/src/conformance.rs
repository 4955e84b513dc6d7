//! The suite that every database must pass: one function per promise.
//!
//! A store's test file is a function that makes a fresh place and gives back what opens it, and
//! one line: `store::conformance!(place);`. Opening the same place again finds what was stored.

pub mod catalogue;
pub mod documents;
pub mod keys;
pub mod ledger;
pub mod life;
pub mod model;
pub mod paging;
pub mod records;
pub mod select;
pub mod turns;
pub mod values;

use std::sync::mpsc::{Sender, channel};

use domain::names::ProjectCode;

use crate::{Control, Error, Reader, Store, Turn, Writer};

/// Makes one test of each promise. `$place` is a function that makes a fresh place and gives back
/// a function that opens it, as a `Box<dyn Store>`, as often as it is called.
#[macro_export]
macro_rules! conformance {
    ($place:ident) => {
        $crate::conformance!(@each $place;
            catalogue: a_new_project_has_the_standard_model, an_overlay_adds_fields_online,
                an_overlay_adds_entities_online, a_new_key_that_records_break_is_refused,
                a_new_key_holds_from_then_on, an_overlay_that_is_undone_leaves_nothing,
                readers_see_the_catalogue_of_their_moment, a_field_that_becomes_searchable_finds_old_records;
            documents: documents_round_trip, documents_are_listed_by_name, idempotency_round_trips;
            keys: a_key_finds_its_record, null_is_a_value_where_the_key_says_so,
                a_key_with_null_elsewhere_is_no_key, keys_are_of_one_company, a_taken_code_is_a_constraint,
                a_taken_key_is_a_constraint, a_taken_null_key_is_a_constraint,
                a_reference_to_nothing_is_a_constraint, a_record_referred_to_cannot_go;
            ledger: batches_round_trip, batches_are_listed_newest_first, running_batches_are_known,
                pages_round_trip, pages_come_after_a_seq, pages_without_entries_are_no_journal,
                pages_that_hold_a_key_are_found, refused_rows_round_trip, refused_rows_that_hold_a_key_are_found,
                long_values_are_kept_once, forgetting_takes_the_old_alone;
            paging: pages_meet_every_record_once, pages_meet_every_record_once_descending,
                pages_meet_every_record_once_by_two_columns, an_offset_leaves_out_the_first,
                pages_by_code_are_in_code_order;
            records: inserted_records_are_found, missing_records_are_not_found, finds_keep_the_order_of_keys,
                a_field_finds_several_records, many_values_of_a_plain_field_are_found,
                deleted_records_answer_by_code_alone, updates_touch_named_columns_only, an_export_mark_is_left_alone,
                a_rename_moves_the_code, marks_set_and_clear_the_state, removed_records_are_gone,
                referred_names_what_is_referred_to, referred_leaves_out_exceptions,
                lists_of_references_refer_too, children_are_live_records, neighbours_are_next_to_the_text,
                statements_count_sets;
            select: conditions_compare, null_is_neither_true_nor_false, empty_groups_have_their_meaning,
                long_lists_are_searched, deep_conditions_are_answered, searches_fold_case_and_accents,
                searches_without_folded_form_are_exact, prefixes_are_exact_at_the_edges, orders_put_null_first,
                texts_are_sorted_by_code_point, counts_ignore_page_bounds, companies_are_apart,
                system_columns_can_be_asked;
            turns: head_and_counters_survive, a_turn_that_fails_changes_nothing, neighbours_of_a_failure_stand,
                a_large_turn_that_fails_changes_nothing, a_panic_undoes_its_turn_alone,
                a_constraint_undoes_its_turn_alone, turns_come_in_order, a_turn_sees_what_it_wrote,
                a_reader_sees_one_moment, a_failed_turn_leaves_the_head;
            values: texts_come_back, numbers_come_back, floats_come_back, times_come_back,
                bytes_and_json_come_back, references_come_back, nulls_come_back;
        );
        mod life {
            $crate::conformance!(@reopened $place;
                what_was_stored_is_there_again, a_dump_is_the_same_after_opening_again,
                equal_projects_have_equal_dumps, projects_do_not_see_each_other,
                a_project_that_exists_is_left_alone, a_missing_project_is_told, keys_lead_to_projects,
                a_closed_store_refuses);
        }
    };
    (@each $place:ident; $($topic:ident: $($promise:ident),+;)+) => {
        $(mod $topic {
            $(#[test]
            fn $promise() {
                let open = super::$place();
                $crate::conformance::$topic::$promise(&*open());
            })+
        })+
    };
    (@reopened $place:ident; $($promise:ident),+) => {
        $(#[test]
        fn $promise() {
            let open = super::$place();
            $crate::conformance::life::$promise(&open);
        })+
    };
}

/// Makes the project `ACME` and gives its code.
pub fn project(store: &dyn Store) -> ProjectCode {
    make_project(store, "ACME")
}

/// Makes a project.
pub fn make_project(store: &dyn Store, code: &str) -> ProjectCode {
    let code = ProjectCode::new(code).unwrap();
    let made = code.clone();
    control(store, move |control| control.create_project(&made)).unwrap();
    code
}

/// Runs a reading job and waits for its answer.
pub fn read<T: Send + 'static>(
    store: &dyn Store,
    project: &ProjectCode,
    job: impl FnOnce(&mut dyn Reader) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (tell, told) = channel();
    store.read(project, Box::new(move |reader| tell.send(reader.and_then(job)).unwrap()));
    told.recv().unwrap()
}

/// Runs a small turn and waits until it is durable.
pub fn write<T: Send + 'static>(
    store: &dyn Store,
    project: &ProjectCode,
    job: impl FnOnce(&mut dyn Writer) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (tell, told) = channel();
    store.write(project, turn(true, tell, job));
    told.recv().unwrap()
}

/// Runs a turn too large to share its commit, and waits until it is durable.
pub fn write_large<T: Send + 'static>(
    store: &dyn Store,
    project: &ProjectCode,
    job: impl FnOnce(&mut dyn Writer) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (tell, told) = channel();
    store.write(project, turn(false, tell, job));
    told.recv().unwrap()
}

/// Runs a job on the control data and waits for its answer.
pub fn control<T: Send + 'static>(
    store: &dyn Store,
    job: impl FnOnce(&mut dyn Control) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (tell, told) = channel();
    store.control(Box::new(move |control| tell.send(control.and_then(job)).unwrap()));
    told.recv().unwrap()
}

/// A turn of a closure, which sends what became of it.
pub fn turn<T: Send + 'static>(
    small: bool,
    tell: Sender<Result<T, Error>>,
    job: impl FnOnce(&mut dyn Writer) -> Result<T, Error> + Send + 'static,
) -> Box<dyn Turn> {
    Box::new(OneTurn { small, tell, job: Some(job), value: None })
}

struct OneTurn<T, F> {
    small: bool,
    tell: Sender<Result<T, Error>>,
    job: Option<F>,
    value: Option<T>,
}

impl<T: Send, F: FnOnce(&mut dyn Writer) -> Result<T, Error> + Send> Turn for OneTurn<T, F> {
    fn is_small(&self) -> bool {
        self.small
    }

    fn run(&mut self, writer: &mut dyn Writer) -> Result<(), Error> {
        let job = self.job.take().unwrap();
        self.value = Some(job(writer)?);
        Ok(())
    }

    fn done(mut self: Box<Self>, result: Result<(), Error>) {
        // Whoever asked may have gone.
        let _ = self.tell.send(result.map(|()| self.value.take().unwrap()));
    }
}
