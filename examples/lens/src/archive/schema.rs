//! The tables, and how an older file becomes one of today.

use std::fmt;

use rusqlite::Connection;

/// Each makes the next version of the file. What is here stays as it is: files were made by it.
const MIGRATIONS: [&str; 1] = [include_str!("1.sql")];

/// Brings a file up to date; each step is whole or not done at all.
///
/// # Errors
///
/// The file was made by a later version, or is no database.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), SchemaError> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let Some(steps) = MIGRATIONS.get(version as usize..) else {
        return Err(SchemaError::Newer { found: version, known: MIGRATIONS.len() });
    };
    for (step, number) in steps.iter().zip(version + 1..) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Why a file cannot be used.
#[derive(Debug)]
pub enum SchemaError {
    /// Made by a later version of this program.
    Newer {
        /// The version of the file.
        found: u32,
        /// The last version that this program knows.
        known: usize,
    },
    /// SQLite says no.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for SchemaError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { found, known } => {
                write!(f, "the database is of version {found}, this program knows {known}")
            }
            Self::Sqlite(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_gets_all_tables_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection.execute("INSERT INTO name (text) VALUES ('kept')", []).unwrap();
        migrate(&mut connection).unwrap();
        let kept: String =
            connection.query_row("SELECT text FROM name", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, "kept");
    }

    #[test]
    fn a_file_of_a_later_version_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 7).unwrap();
        let error = migrate(&mut connection).unwrap_err().to_string();
        assert_eq!(error, "the database is of version 7, this program knows 1");
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE series (x)").unwrap();
        assert!(migrate(&mut connection).is_err());
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(tables, 1);
    }
}
