package sqlite

import (
	"math"
	"strconv"

	"github.com/flowlog/checkpoint/driver"
)

// One statement that is an append's compare-and-set: unless the run is as expected, body
// is null, and OR IGNORE passes over a row with a null in a column that must not be null,
// as it does over one whose id is taken. (INSERT … SELECT … WHERE would say it plainer,
// and take 30 µs more for a temporary table.)
//
// Only the id has a numbered parameter; everything else that depends on it is computed.
// Each further parameter takes time, and a numbered one is looked up by its name.
var appendEventSQL = `INSERT OR IGNORE INTO events (id, ` + bodyList + `, body)
	VALUES (?1, ` + bodyParams + `, (SELECT 0` + guard + `NOT EXISTS (SELECT 1 FROM recent WHERE id = ?1)))`

// lag is driver.Lag in a statement.
var lag = strconv.FormatUint(driver.Lag, 10)

// The run is placed anew if its place is behind by driver.Lag or its class changes.
var placeRunSQL = `UPDATE runs SET place = max(place, ?2), class = ifnull(?3, class)
	WHERE rk = ?1 AND (place <= ?2 - ` + lag + ` OR class <> ?3)`

const (
	appendRecentSQL = `INSERT OR IGNORE INTO recent (id, body) VALUES (?1, (SELECT ?` + guard + `NOT EXISTS (SELECT 1 FROM events WHERE id = ?1)))`
	guard           = ` FROM runs WHERE rk = ?1 >> 32 AND changes = ? AND run = ? AND
		(tail = ?1 & 4294967295 OR EXISTS (SELECT 1 FROM events WHERE id = ?1 - 1) OR EXISTS (SELECT 1 FROM recent WHERE id = ?1 - 1)) AND `

	placedSQL = `SELECT place, class FROM runs WHERE rk = ?`
)

// appends reports whether a change appends records and changes nothing else but class and
// entries, which can't conflict.
func appends(c *driver.Change) bool {
	return len(c.Append) > 0 && c.Head == nil && len(c.Rewrite)+len(c.Add)+len(c.Retire) == 0 && !c.Drop
}

// single reports whether a change is one statement: it adds one event, and leaves the
// run's row as it is.
func (b *Backend) single(c *driver.Change) bool {
	if len(c.Append) != 1 || !appends(c) || len(c.Put)+len(c.Remove) > 0 || c.Revision == 0 {
		return false
	}
	s := b.known[c.Run].inLife(c.Revision)
	if c.Class != nil && !s.followedBy(c) {
		return false
	}
	return s.rowFits(c)
}

// append makes the appends of a change that only appends records, without the row and
// the entries. It finds a conflict at the first record, and has then done nothing.
func (b *Backend) append(c *driver.Change, res *driver.Result) error {
	if c.Last != 0 && c.Last+1 != c.Append[0].Seq {
		return b.conflict(c, res)
	}
	added, err := b.appendAll(c, c.Revision)
	if err != nil {
		return err
	}
	if !added {
		return b.conflict(c, res)
	}
	res.Revision = c.Revision
	return nil
}

// appendAlone makes a change that only appends.
func (b *Backend) appendAlone(c *driver.Change, res *driver.Result) error {
	if err := b.append(c, res); err != nil || res.Err != nil {
		return err
	}
	return b.afterAppend(c)
}

// afterAppend writes the rest of a change without a head, after its records.
func (b *Backend) afterAppend(c *driver.Change) error {
	if err := b.place(c); err != nil {
		return err
	}
	return b.changeEntries(int64(c.Revision>>32), c)
}

// appendAll adds the records of a change to the run of a revision. It returns false if
// the first can't be added, and has then done nothing.
func (b *Backend) appendAll(c *driver.Change, revision uint64) (bool, error) {
	rk, changes := int64(revision>>32), int64(revision&math.MaxUint32)
	for i := range c.Append {
		n, err := b.appendOne(rk, changes, c.Run, &c.Append[i])
		switch {
		case err != nil:
			return false, err
		case n == 0 && i > 0:
			return false, driver.Corrupt(c.Run, c.Append[i].Seq, "the event can't be appended though the one before it was")
		case n == 0:
			return false, nil
		}
	}
	b.learn(c, revision)
	return true, nil
}

// appendOne adds a record unless it conflicts, and returns how many it added.
func (b *Backend) appendOne(rk, changes int64, run string, r *driver.Record) (int64, error) {
	id := eventID(rk, r.Seq)
	if !b.shared {
		b.row = append(appendBody(append(b.row[:0], id), r), changes, run)
		return b.affected(appendEventSQL, b.row...)
	}
	b.row = appendBody(b.row[:0], r)
	res, err := b.exec(insertBodySQL, b.row...)
	if err != nil {
		return 0, err
	}
	body, err := res.LastInsertId()
	if err != nil {
		return 0, err
	}
	n, err := b.affected(appendRecentSQL, id, body, changes, run)
	b.recent += n
	if err == nil && n == 0 {
		_, err = b.exec(`DELETE FROM bodies WHERE n = ?`, body)
	}
	return n, err
}

// place updates the run's place and class after an append that was just learned.
func (b *Backend) place(c *driver.Change) error {
	s := b.known[c.Run]
	if s.rowFits(c) {
		return nil
	}
	rk, at := int64(c.Revision>>32), c.Append[len(c.Append)-1].Recency
	n, err := b.affected(placeRunSQL, rk, int64(at), classOf(c))
	if err != nil {
		return err
	}
	if n > 0 {
		s.place = at
		if c.Class != nil {
			s.class = int(*c.Class)
		}
	} else { // another process placed it
		var place, class number
		if err := b.ask(placedSQL, rk).Scan(&place, &class); err != nil {
			return err
		}
		s.place, s.class = uint64(place), int(class)
	}
	b.known[c.Run] = s
	return nil
}
