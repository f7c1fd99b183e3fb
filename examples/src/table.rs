//! [`Table`]: rows of text under column names, as CSV files hold them.

use gearshift_plugins_sdk::{Failure, JsonSchema, schemars};
use serde::{Deserialize, Serialize};

/// Rows of text under column names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    /// Each as long as `columns`.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads CSV; quoted fields may hold the delimiter, line ends and doubled quotes.
    ///
    /// # Errors
    ///
    /// A row has another number of fields than the first one, or a quote stays open.
    pub(crate) fn parse(text: &str, delimiter: char, has_header: bool) -> Result<Self, Failure> {
        let mut rows = records(text, delimiter)?;
        if rows.is_empty() {
            return Err(Failure::permanent("the file holds no row").code("empty"));
        }
        let columns = if has_header {
            rows.remove(0)
        } else {
            (1..=rows.first().map_or(0, Vec::len)).map(|n| format!("column{n}")).collect()
        };
        for (at, row) in rows.iter().enumerate() {
            if row.len() != columns.len() {
                let (found, wanted) = (row.len(), columns.len());
                let message = format!("row {} has {found} fields instead of {wanted}", at + 1);
                return Err(Failure::permanent(message).code("ragged"));
            }
        }
        Ok(Self { columns, rows })
    }

    /// As CSV with a header.
    pub(crate) fn to_csv(&self) -> String {
        let lines = std::iter::once(&self.columns).chain(&self.rows).map(|row| {
            let fields = row.iter().map(|field| {
                if field.contains([',', '"', '\n']) {
                    format!("\"{}\"", field.replace('"', "\"\""))
                } else {
                    field.clone()
                }
            });
            fields.collect::<Vec<_>>().join(",") + "\n"
        });
        lines.collect()
    }

    /// The place of a column.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub(crate) fn column(&self, name: &str) -> Result<usize, Failure> {
        self.columns.iter().position(|column| column == name).ok_or_else(|| {
            Failure::permanent(format!("there is no column `{name}`")).code("no_column")
        })
    }

    /// The fields of a column.
    pub(crate) fn fields(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row.get(column)).map(String::as_str)
    }

    /// The numbers of a column; what is none is left out.
    pub(crate) fn numbers(&self, column: usize) -> Vec<f64> {
        self.fields(column).filter_map(|field| field.parse().ok()).collect()
    }

    /// The columns that hold numbers only.
    pub(crate) fn numeric(&self) -> Vec<usize> {
        let all = |column: &usize| {
            self.fields(*column).all(|field| field.parse::<f64>().is_ok()) && !self.rows.is_empty()
        };
        (0..self.columns.len()).filter(all).collect()
    }
}

fn records(text: &str, delimiter: char) -> Result<Vec<Vec<String>>, Failure> {
    let mut rows = Vec::new();
    let (mut row, mut field) = (Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            '\r' if !quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            letter if letter == delimiter && !quoted => row.push(std::mem::take(&mut field)),
            letter => field.push(letter),
        }
    }
    if quoted {
        return Err(Failure::permanent("a quote is not closed").code("ragged"));
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

/// A number in as few letters as are right to four places.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_fields_hold_anything_and_come_back() {
        let text = "id,note\n1,\"a, \"\"b\"\"\nc\"\n2,plain\n";
        let table = Table::parse(text, ',', true).unwrap_or_default();
        assert_eq!(table.columns, ["id", "note"]);
        assert_eq!(table.rows, [["1", "a, \"b\"\nc"], ["2", "plain"]]);
        assert_eq!(table.to_csv(), text);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let code = |text: &str| Table::parse(text, ',', true).map_err(|e| e.code_text().to_owned());
        assert_eq!(code(""), Err("empty".to_owned()));
        assert_eq!(code("a,b\n1\n"), Err("ragged".to_owned()));
        assert_eq!(code("a,b\n\"1,2\n"), Err("ragged".to_owned()));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([number(1.0), number(0.33333), number(-0.00001)], ["1", "0.3333", "0"]);
    }
}
