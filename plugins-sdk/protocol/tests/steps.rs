//! Views of step graphs on the wire.

use gearshift_protocol::view::{
    InstanceDetail, ItemsView, StepErrorView, StepStatus, StepView, StepsView,
};
use serde_json::{Value, json};

fn bare() -> Value {
    json!({
        "id": "w/k", "workflow": "w", "version": 1, "key": "k", "generation": 1,
        "status": "running", "active": ["steps"], "started_at": "", "updated_at": "", "age_s": 0,
        "vars": {}, "input": null,
    })
}

#[test]
fn an_instance_without_steps_says_nothing_of_them() {
    let detail: InstanceDetail = serde_json::from_value(bare()).unwrap();
    assert_eq!(detail.steps, StepsView::default());
    let text = serde_json::to_string(&detail).unwrap();
    assert!(!text.contains("progress") && !text.contains("step_"), "{text}");
}

#[test]
fn steps_lie_flat_in_the_instance() {
    let mut detail: InstanceDetail = serde_json::from_value(bare()).unwrap();
    detail.steps = StepsView {
        progress: Some(0.5),
        current_step: vec!["b".to_owned()],
        completed_steps: 1,
        total_steps: 2,
        steps: vec![
            StepView {
                id: "a".to_owned(),
                title: "First".to_owned(),
                status: StepStatus::Completed,
                result: json!({"n": 1}),
                retry_count: 1,
                cached: true,
                duration_ms: Some(7),
                ..StepView::default()
            },
            StepView {
                id: "b".to_owned(),
                status: StepStatus::Retrying,
                error: Some(StepErrorView {
                    kind: "timeout".to_owned(),
                    message: "late".to_owned(),
                    ..StepErrorView::default()
                }),
                items: Some(ItemsView { total: 3, done: 1, failed: 1 }),
                ..StepView::default()
            },
        ],
        rollback: None,
    };
    let shown = serde_json::to_value(&detail).unwrap();
    assert_eq!((&shown["progress"], &shown["current_step"]), (&json!(0.5), &json!(["b"])));
    assert_eq!((&shown["completed_steps"], &shown["total_steps"]), (&json!(1), &json!(2)));
    let expected = json!([
        { "id": "a", "title": "First", "status": "completed", "result": { "n": 1 },
          "retry_count": 1, "cached": true, "duration_ms": 7 },
        { "id": "b", "title": "", "status": "retrying", "retry_count": 0,
          "error": { "kind": "timeout", "message": "late" },
          "items": { "total": 3, "done": 1, "failed": 1 } },
    ]);
    assert_eq!(shown["steps"], expected);
    assert_eq!(serde_json::from_value::<InstanceDetail>(shown).unwrap(), detail);
    for encoding in [gearshift_protocol::Encoding::Json, gearshift_protocol::Encoding::MessagePack]
    {
        let bytes = encoding.encode(&detail).unwrap();
        assert_eq!(encoding.decode::<InstanceDetail>(&bytes).unwrap(), detail);
    }
}

#[test]
fn a_status_of_a_newer_engine_is_read() {
    let newer: StepView =
        serde_json::from_value(json!({ "id": "a", "status": "dreaming" })).unwrap();
    assert_eq!(newer.status, StepStatus::Other);
}
