package main

import "github.com/flowlog/checkpoint"

// totalJSON is what a plan comes to as -o json gives it. Sizes are in bytes.
type totalJSON struct {
	Runs    int    `json:"runs"`    // that lose states
	Dropped int    `json:"dropped"` // whole runs
	Events  uint64 `json:"events"`  // of both
	Bytes   int64  `json:"bytes"`
	Freed   int64  `json:"freed"` // about
}

// pruneResultJSON is what was done as -o json gives it. Sizes are in bytes.
type pruneResultJSON struct {
	Complete   bool          `json:"complete"` // false if it was stopped
	Runs       int           `json:"runs"`     // as in totalJSON
	Dropped    int           `json:"dropped"`
	Events     uint64        `json:"events"`
	Skipped    []skippedJSON `json:"skipped"`
	DiskBefore int64         `json:"disk_before"`
	DiskAfter  int64         `json:"disk_after"`
}

// list writes the plan; of a JSON document all but what is done.
func (p *pruner) list(plan checkpoint.Plan) error {
	p.doc = jsonObject{screen: p.c.out, format: *p.output}
	switch *p.output {
	case formatText:
		p.listText(plan)
	case formatJSONL:
		for _, r := range plan.Runs {
			if err := writeJSON(p.c.out, formatJSONL, r); err != nil {
				return err
			}
		}
	case formatJSON:
		t := plan.Total()
		return p.doc.begin(struct {
			Plan  checkpoint.Plan `json:"plan"`
			Total totalJSON       `json:"total"`
		}{plan, totalJSON{t.Runs, t.Dropped, t.Events, t.Bytes, t.Freed}})
	}
	return p.c.out.flush()
}

// report writes what was done, up to where it was stopped.
func (p *pruner) report(res checkpoint.PlanResult, complete bool) error {
	doc := pruneResultJSON{complete, res.Runs, res.Dropped, res.Events, []skippedJSON{}, res.Before, res.After}
	for _, s := range res.Skipped {
		doc.Skipped = append(doc.Skipped, skippedJSON{s.Run, s.Err.Error()})
	}
	switch *p.output {
	case formatJSONL:
		return writeJSON(p.c.out, formatJSONL, struct {
			Result pruneResultJSON `json:"result"`
		}{doc})
	case formatJSON:
		return p.doc.add("result", doc)
	}
	p.c.out.printf("%s\n", prunedText(p.c.out, res))
	return nil
}
