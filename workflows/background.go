package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"
)

// background does jobs beside the rest of a run, so a mail server that is down delays nothing else.
// A job has a coroutine only while it has something to do: a worker keeps thousands of held orders
// in memory, and nearly all of them wait.
type background struct {
	jobs   []*job
	paused bool // the next run is about to take over
}

// job is one kind of work, such as sending notices. It does one thing at a time.
type job struct {
	due func() bool // reports whether there is something to do
	// do does the next thing. Its context is cancelled if the next run is about to take over.
	do func(workflow.Context)

	busy      bool
	interrupt workflow.CancelFunc
}

// run starts each job that is due, for as long as the workflow run is open.
func (b *background) run(ctx workflow.Context) {
	waiting := func(j *job) bool { return !j.busy && j.due() }
	for {
		err := workflow.Await(ctx, func() bool {
			return !b.paused && slices.ContainsFunc(b.jobs, waiting)
		})
		if err != nil {
			return
		}
		for _, j := range b.jobs {
			if waiting(j) {
				j.busy = true
				workflow.Go(ctx, func(ctx workflow.Context) { b.do(ctx, j) })
			}
		}
	}
}

// do does a job until it is not due any more.
func (b *background) do(ctx workflow.Context, j *job) {
	for !b.paused && j.due() {
		var jobCtx workflow.Context
		jobCtx, j.interrupt = workflow.WithCancel(ctx)
		j.do(jobCtx)
		j.interrupt()
	}
	j.busy = false
}

// busy reports whether a job is being done.
func (b *background) busy() bool {
	return slices.ContainsFunc(b.jobs, func(j *job) bool { return j.busy })
}

// pause leaves all jobs to the next run. It waits for an attempt that has begun, at most for a
// minute, so that nobody gets a message twice.
func (b *background) pause(ctx workflow.Context) error {
	b.paused = true
	for _, j := range b.jobs {
		if j.busy && j.interrupt != nil {
			j.interrupt()
		}
	}
	return workflow.Await(ctx, func() bool { return !b.busy() })
}

// resume ends a pause if the run goes on after all.
func (b *background) resume() { b.paused = false }
