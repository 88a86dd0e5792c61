// Package segment packs consecutive events of a run into one immutable block, which
// is stored as two byte strings: the index, which is everything but the payloads, and
// the data, which is those.
package segment
