// Package statediff tells two JSON documents apart: what was added, removed and changed, and where; which
// value of the one was which of the other; and what is at a path.
//
// [Compare] returns the changes as a list, which is also a JSON Patch (RFC 6902) that leads from the old
// document to the new one and another that leads back: [Diff.Patch], [Diff.Inverse], [Apply]. [Trace]
// answers for one value where it was before, so that its history can be followed through many documents.
// [Lookup] and [Document.All] find values and walk through them; [ParsePath] reads places both as JSON
// Pointers (RFC 6901) and as people write them, messages[-1].content. A document that is used more than
// once is read once, by [Parse].
//
// # What is equal
//
//   - Numbers of the same exact decimal value: 1, 1.0 and 10e-1 are, and 0 and -0; 9007199254740993 and
//     9007199254740992 are not. No number ever becomes a float. Changes show them as written.
//   - Strings that say the same once they are unescaped. Half a surrogate pair, and bytes that aren't UTF-8,
//     are text like any other, equal to itself only.
//   - Arrays of equal elements in the same order, objects of equal members in any order.
//
// An object that has a name twice is valid JSON, and what it means is for its reader to say. So it is one
// value here, which equals another with the same members in the same order, and [Coarse] says so where it
// changed. Looking up takes the last member of a name, as encoding/json does.
//
// # How arrays are matched
//
// Elements are matched by content, so a message inserted in front of 4,000 is one change. What is equal at both ends is
// left out first. Of what lies between, elements with no equal on the other side are left out too, and a longest common
// subsequence of the others is found: if all differ, as the longest rising subsequence of their places, else by Myers'
// algorithm. In each of the gaps that remain, objects of the same "id", "key" or "name" ([Options.Identity]) are matched;
// then, if the gap is small, elements that resemble each other; then the rest by position. Two that were matched so are
// compared further if they have the same identity or half of what is in them in common, and else told as one change. An
// element that moved is removed and added.
//
// # Bounds
//
// Time is in proportion to the documents' length, plus n log n steps for n elements that are in another order, plus what
// [Options.Effort] allows Myers' algorithm, whose own time is in proportion to length times differences. The array in
// which that didn't suffice has more changes than it need have, and [Coarse] says so; likewise a value with more changes
// in it than [Options.MaxChanges], which is told as one. So the answer is always right, at times coarser, and says where.
//
// Memory is 24 bytes for each value and each name of both documents, some 60 for each element of the array being
// matched, and 100 for each change besides its path. Documents are below 4 GiB, and at most [MaxDepth] deep; deeper ones aren't read.
//
// Values are held equal if 64-bit hashes of them are, under keys that are drawn anew in each process: hash.go says how
// probable it is that this is ever wrong.
//
// Measured, on one core: neighbouring states of 0.7 MB in 3 ms; 4,000 messages and one in front in 4 ms; 100,000 records, 11 MB,
// that all differ in 0.15 s, reversed or shuffled in 0.17 s; 100,000 numbers of two kinds at random, which is the worst for
// Myers' algorithm, in 0.2 s. The records took at most 8 times the memory of both documents, garbage included.
//
// # Sources
//
// The shortest edit script: Eugene W. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986, in linear space; going
// on from the furthest point when it costs too much, as GNU diff and git's xdiff do. Matching what is there once on either side
// by the longest rising subsequence is Bram Cohen's patience diff, here of whole arrays only, where it is exact. Hashes of
// children added up, so that order doesn't matter, are an incremental multiset hash (Clarke and others, 2003); their mixing is
// wyhash's.
package statediff
