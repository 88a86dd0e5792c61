package main

import "github.com/flowlog/checkpoint"

// totalJSON is what a plan comes to as -o json gives it. Sizes are in bytes.
type totalJSON struct {
	Runs    int    `json:"runs"`    // that lose states
	Dropped int    `json:"dropped"` // whole runs
	Events  uint64 `json:"events"`  // of both
	Bytes   int64  `json:"bytes"`
	Stored  int64  `json:"stored"` // about
}

// pruneResultJSON is what was done as -o json gives it. Sizes are in bytes.
type pruneResultJSON struct {
	Complete   bool          `json:"complete"` // false if it was stopped
	Events     uint64        `json:"events"`   // that lost their states
	Runs       int           `json:"runs"`     // that these are of
	Dropped    int           `json:"dropped"`  // whole runs
	Skipped    []skippedJSON `json:"skipped"`
	DiskBefore int64         `json:"disk_before"`
	DiskAfter  int64         `json:"disk_after"`
}

// list writes the plan: of a JSON document the part up to what was done.
func (p *pruner) list(plan checkpoint.Plan) error {
	out := p.c.out
	switch *p.output {
	case formatText:
		p.listText(plan)
	case formatJSONL:
		for _, r := range plan.Runs {
			if err := writeJSON(out, formatJSONL, r); err != nil {
				return err
			}
		}
	case formatJSON:
		out.printf("{\n  \"plan\": ")
		if err := writeIndented(out, plan, "  "); err != nil {
			return err
		}
		out.printf(",\n  \"total\": ")
		t := plan.Total()
		if err := writeIndented(out, totalJSON{t.Runs, t.Dropped, t.Events, t.Bytes, t.Stored}, "  "); err != nil {
			return err
		}
	}
	return out.flush()
}

// endList ends what list began, where nothing was done.
func (p *pruner) endList() {
	if *p.output == formatJSON && !p.reported {
		p.c.out.printf("\n}\n")
	}
}

// report writes what was done, up to where it was stopped.
func (p *pruner) report(res checkpoint.PlanResult, complete bool) error {
	p.reported = true
	out := p.c.out
	doc := pruneResultJSON{complete, res.Events, res.Runs, res.Dropped, []skippedJSON{}, res.Before, res.After}
	for _, s := range res.Skipped {
		doc.Skipped = append(doc.Skipped, skippedJSON{s.Run, s.Err.Error()})
	}
	switch *p.output {
	case formatText:
		out.printf("%s\n", prunedText(out, res))
	case formatJSONL:
		return writeJSON(out, formatJSONL, struct {
			Result pruneResultJSON `json:"result"`
		}{doc})
	case formatJSON:
		out.printf(",\n  \"result\": ")
		if err := writeIndented(out, doc, "  "); err != nil {
			return err
		}
		out.printf("\n}\n")
	}
	return nil
}
