package main_test

import (
	"database/sql"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"
)

// damage STORE RUN SEQ: spoils an event that is not sealed.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(`UPDATE events SET header = upper(header)
		WHERE id = (SELECT rk << 32 FROM runs WHERE run = ?) + ?`, args[1], args[2])
	ts.Check(err)
}

// spoil STORE RUN SEQ: spoils the state of an event that is not sealed, and not the rest.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(`UPDATE events SET state = CAST('9' AS BLOB) WHERE id = (SELECT rk << 32 FROM runs WHERE run = ?) + ?`, args[1], args[2])
	ts.Check(err)
}

// sql STORE QUERY FILE: writes what a query gives to a file, as SQLite's shell
// would.
func query(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0])+"?mode=ro")
	ts.Check(err)
	defer db.Close()
	rows, err := db.Query(args[1])
	ts.Check(err)
	defer rows.Close()
	names, err := rows.Columns()
	ts.Check(err)
	var out strings.Builder
	for rows.Next() {
		cells, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		ts.Check(rows.Scan(into...))
		for i, c := range cells {
			if i > 0 {
				out.WriteString("|")
			}
			out.WriteString(c.String)
		}
		out.WriteString("\n")
	}
	ts.Check(rows.Err())
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(out.String()), 0o600))
}

// lock STORE: keeps everybody else out until the script ends.
func lock(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0])+"?_pragma=locking_mode(EXCLUSIVE)")
	ts.Check(err)
	db.SetMaxOpenConns(1)
	ts.Defer(func() { db.Close() })
	_, err = db.Exec("BEGIN EXCLUSIVE; PRAGMA user_version")
	ts.Check(err)
}
