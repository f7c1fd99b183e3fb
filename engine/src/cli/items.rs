//! The items of a `foreach` that have no result, or are not taken back, below the line of their
//! step.

use gearshift_client::protocol::view::{ItemView, StayingItemView, StepStatus, StepView};
use serde_json::Value;

use super::output::one_line;
use super::words::{FEW, cut};

/// The widest that a line becomes.
const WIDTH: usize = 80;
/// Letters of an item that are shown at most.
const ITEM_SHOWN: usize = 30;

/// `      [3] "b.example"  failed  permanent: no such shop`, of each; without `all` of the first,
/// and `more` says how to see the others.
pub(super) fn lines(step: &StepView, more: Option<&str>) -> Vec<String> {
    let most = if more.is_some() { FEW } else { usize::MAX };
    let shown = step.missing_items.iter().take(most);
    let mut lines: Vec<_> = shown.map(|one| line(one, more.is_some())).collect();
    let hidden = step.missing_items.len().saturating_sub(most);
    if let Some(more) = more.filter(|_| hidden > 0) {
        lines.push(format!("      … {hidden} more without result; {more}"));
    }
    if step.missing_items_left > 0 {
        let left = step.missing_items_left;
        lines.push(format!("      … {left} more without result, too many to be listed"));
    }
    let shown = step.staying_items.iter().take(most);
    lines.extend(shown.map(|one| staying(one, more.is_some())));
    let hidden = step.staying_items.len().saturating_sub(most);
    if let Some(more) = more.filter(|_| hidden > 0) {
        lines.push(format!("      … {hidden} more not taken back; {more}"));
    }
    if step.staying_items_left > 0 {
        let left = step.staying_items_left;
        lines.push(format!("      … {left} more not taken back, too many to be listed"));
    }
    lines
}

/// `      [3] "b.example"  stays: `p.undo` was skipped by ann: by phone`.
fn staying(one: &StayingItemView, short: bool) -> String {
    let item = own(&one.item, one.item_bytes, short);
    one_line(&format!("      [{}] {item}  stays: {}", one.index, one.why)).into_owned()
}

/// The item itself, or how large it is.
fn own(item: &Value, bytes: Option<u64>, short: bool) -> String {
    let item = bytes.map_or_else(|| item.to_string(), |bytes| format!("({bytes} bytes)"));
    if short { cut(&item, ITEM_SHOWN) } else { item }
}

fn line(one: &ItemView, short: bool) -> String {
    let item = own(&one.item, one.item_bytes, short);
    let status = match one.status {
        StepStatus::Cancelled => "not finished",
        StepStatus::Pending => "not begun",
        StepStatus::Failed
        | StepStatus::Running
        | StepStatus::Retrying
        | StepStatus::Completed
        | StepStatus::Skipped
        | StepStatus::Undone
        | StepStatus::Other
        | _ => one.status.as_str(),
    };
    let why = one.error.as_ref().map_or_else(String::new, |error| {
        let code = if error.code.is_empty() { &error.kind } else { &error.code };
        format!("  {code}: {}", error.message)
    });
    let tried = match one.retry_count {
        0 => String::new(),
        retries => format!(" after {} attempts", u64::from(retries) + 1),
    };
    let told =
        one_line(&format!("      [{}] {item}  {status}{tried}{why}", one.index)).into_owned();
    if short { cut(&told, WIDTH - 1) } else { told }
}

#[cfg(test)]
mod tests {
    use gearshift_client::protocol::view::StepErrorView;
    use serde_json::json;

    use super::*;

    fn failed(index: u64) -> ItemView {
        let (kind, message) = ("permanent".to_owned(), "no such shop".to_owned());
        let error = Some(StepErrorView { kind, message, ..StepErrorView::default() });
        let item = json!({ "shop": format!("shop {index}") });
        ItemView { index, item, error, status: StepStatus::Failed, ..ItemView::default() }
    }

    #[test]
    fn items_without_result_are_named_the_first_of_many() {
        let cut_off = ItemView { index: 90, status: StepStatus::Cancelled, ..failed(90) };
        let cut_off = ItemView { error: None, item_bytes: Some(900), ..cut_off };
        let missing = (0..11).map(failed).chain([cut_off]).collect();
        let step = StepView { missing_items: missing, ..StepView::default() };
        let few = lines(&step, Some("`--all` shows them"));
        assert_eq!(few.len(), FEW + 1);
        assert_eq!(few[0], r#"      [0] {"shop":"shop 0"}  failed  permanent: no such shop"#);
        assert_eq!(few[FEW], "      … 2 more without result; `--all` shows them");
        let all = lines(&step, None);
        assert_eq!(all.len(), 12);
        assert_eq!(all[11], "      [90] (900 bytes)  not finished");
        let left = StepView { missing_items_left: 7, ..step };
        let last = lines(&left, None).pop().unwrap();
        assert_eq!(last, "      … 7 more without result, too many to be listed");
    }

    #[test]
    fn items_that_stay_are_named_with_the_reason_in_one_line() {
        let why = "`p.undo` was skipped by ann: by\nphone".to_owned();
        let one = StayingItemView { index: 3, item: json!("b"), why, ..StayingItemView::default() };
        let step = StepView { staying_items: vec![one; 11], ..StepView::default() };
        let few = lines(&step, Some("`--all` shows them"));
        assert_eq!(few[0], "      [3] \"b\"  stays: `p.undo` was skipped by ann: by phone");
        assert_eq!(few[FEW], "      … 1 more not taken back; `--all` shows them");
        assert_eq!(lines(&step, None).len(), 11);
        let tried = ItemView { retry_count: 2, ..failed(1) };
        let step = StepView { missing_items: vec![tried], ..StepView::default() };
        let told =
            r#"      [1] {"shop":"shop 1"}  failed after 3 attempts  permanent: no such shop"#;
        assert_eq!(lines(&step, None), [told]);
    }
}
