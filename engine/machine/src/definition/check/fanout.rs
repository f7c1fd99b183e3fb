//! `foreach:`: a step for each item of a list.

use std::sync::Arc;

use super::context::Context;
use super::events::word;
use super::values::Env;
use crate::definition::codes::{self, Code};
use crate::definition::expr::ExprKind;
use crate::definition::model::{Aggregate, Collect, Fanout};
use crate::definition::parse::Node;
use crate::definition::problem::{Span, quoted};

impl<'t> Context<'t> {
    /// The fan-out of a step.
    pub(super) fn foreach(&self, node: &'t Node) -> Option<Fanout> {
        let fields = self.fields(node, "foreach", "`foreach`");
        let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).map(|it| it.1);
        node.entries()?;
        let Some(list) = get("in") else {
            let start = Span::new(node.span.start, node.span.start + 1);
            self.report.add(codes::MISSING_FIELD, start, "`foreach` has no `in`: the list");
            return None;
        };
        let expression = self.expression(list, ExprKind::Value, Env::ACTION);
        if let Some(value) = expression.as_ref().and_then(|list| list.constant())
            && value.as_list().is_none()
        {
            let message = format!("`in` is {}, not a list", value.type_name());
            self.report.add(codes::FOREACH, list.span, message);
            return None;
        }
        let item = get("as").map_or_else(|| Some("item".into()), |node| self.local(node));
        let index = get("index").map(|node| self.local(node));
        let parallel = get("max_parallel")
            .map(|node| self.at_most(node, Fanout::PARALLEL_MAX, codes::FOREACH));
        let collect = get("collect").and_then(|node| {
            let words = [
                ("first_error", Collect::FirstError),
                ("all", Collect::All),
                ("partial", Collect::Partial),
            ];
            word(self, node, &words)
        });
        Some(Fanout {
            list: expression?,
            item: item?,
            index: index.flatten(),
            max_parallel: parallel.flatten().unwrap_or(Fanout::PARALLEL),
            collect: collect.unwrap_or_default(),
            aggregate: get("aggregate").and_then(|node| self.aggregate(node)).unwrap_or_default(),
        })
    }

    fn aggregate(&self, node: &'t Node) -> Option<Aggregate> {
        if node.entries().is_some() {
            let fields = self.fields(node, "aggregate", "`aggregate`");
            let Some((_, member)) = fields.first() else {
                self.wrong_type(node, "`{ statistical: member }`");
                return None;
            };
            let member = self.text(member, "the name of a member")?;
            return Some(Aggregate::Statistical(Some(member)));
        }
        #[derive(Clone, Copy)]
        enum Word {
            List,
            Merge,
            Union,
            Intersect,
            Statistical,
        }
        let words = [
            ("list", Word::List),
            ("merge", Word::Merge),
            ("union", Word::Union),
            ("intersect", Word::Intersect),
            ("statistical", Word::Statistical),
        ];
        Some(match word(self, node, &words)? {
            Word::List => Aggregate::List,
            Word::Merge => Aggregate::Merge,
            Word::Union => Aggregate::Union,
            Word::Intersect => Aggregate::Intersect,
            Word::Statistical => Aggregate::Statistical(None),
        })
    }

    /// A name that a loop binds; that of a variable would hide it.
    pub(super) fn local(&self, node: &Node) -> Option<Arc<str>> {
        let name = self.text(node, "a name")?;
        if self.outline.vars.contains(&name) {
            let message = format!("{} is a variable already", quoted(&name));
            let help = "give what the loop binds another name".to_owned();
            self.report.help(codes::NAME, node.span, message, help);
            return None;
        }
        self.name(&name, node.span, "name").then_some(name)
    }

    /// A whole number from 1 to `most`.
    pub(super) fn at_most(&self, node: &Node, most: u16, code: Code) -> Option<u16> {
        let count = self.count(node)?;
        let fits = u16::try_from(count).ok().filter(|count| *count <= most);
        if fits.is_none() {
            self.report.add(code, node.span, format!("{count} exceeds the limit of {most}"));
        }
        fits
    }
}
