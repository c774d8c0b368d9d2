package worker

import (
	"time"

	"error-check-gate/internal/option"
)

// minSweepEvery is the shortest interval at which Temporal's schedules start runs reliably.
const minSweepEvery = 10 * time.Second

// Faults returns everything that is wrong with options that come from settings. A fault names a
// field of Settings without a prefix, for example SettleQuiet, and a field of Sweep with one, for
// example Sweep.Every.
func (o *Options) Faults() option.Faults {
	faults := o.Settings.Faults()
	positive := func(field string, n int) {
		if n < 1 {
			faults.Add(field, "%d is too small: write 1 or more", n)
		}
	}
	positive("InflowRequestsPerMinute", o.InflowRequestsPerMinute)
	positive("Sweep.Days", o.Sweep.Days)
	switch every := o.Sweep.Every; {
	case every < 0:
		faults.Add("Sweep.Every", "%v is negative: write 0 or more", every)
	case 0 < every && every < minSweepEvery:
		faults.Add("Sweep.Every", "%v is too short: write 0 for none, or %v or more",
			every, minSweepEvery)
	}
	if o.StopTimeout < 0 {
		faults.Add("StopTimeout", "%v is negative: write 0 or more", o.StopTimeout)
	}
	if o.CachedRuns < 0 {
		faults.Add("CachedRuns", "%d is negative: write 0 or more", o.CachedRuns)
	}
	switch {
	case o.Deployment != "" && o.BuildID == "":
		faults.Add("BuildID", "is not set, and {Deployment} is: set both or neither")
	case o.Deployment == "" && o.BuildID != "":
		faults.Add("Deployment", "is not set, and {BuildID} is: set both or neither")
	}
	return faults
}
