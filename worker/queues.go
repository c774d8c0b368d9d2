package worker

import (
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/activities"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows"
	"error-check-gate/workflows/holdmarks"
	"error-check-gate/workflows/ruleoutcomes"
	"error-check-gate/workflows/rulesinforce"
	"error-check-gate/workflows/sweep"
)

const (
	// inflowSlots limits the InFlow requests in flight per worker. InFlow's quota is one request per
	// second, and an answer takes well under a second.
	inflowSlots = 8
	// inflowPollers is enough to poll every partition of the task queue; Temporal's default is 4
	// partitions. A partition that nobody has polled doesn't know the rate limit.
	inflowPollers = inflowSlots
	// handOverSlots is the number of batches that one worker hands over at the same time. More would
	// not help: Temporal can only start a limited number of runs per second.
	handOverSlots = 2
	// handOverHeartbeat is the minimum time between two heartbeats of a hand-over. It is short so that
	// little is repeated after a worker died.
	handOverHeartbeat = time.Second
	// deadlockAfter is how long a workflow task may compute before the SDK gives it up as stuck. The
	// SDK's default of 1 second is too short for a busy machine. Temporal gives the task to another
	// worker after 10 seconds.
	deadlockAfter = 8 * time.Second
)

// queue is a task queue and the SDK worker that polls it.
type queue struct {
	name   string
	worker sdkworker.Worker
}

// newQueues makes the SDK workers of the three task queues. They call onFatal if they cannot go on.
func newQueues(c client.Client, o *Options, p *parts, onFatal func(error)) []queue {
	common := sdkworker.Options{
		Identity:          o.Identity,
		WorkerStopTimeout: o.StopTimeout,
		OnFatalError:      onFatal,
		DeploymentOptions: o.deployment(),
		Interceptors:      []interceptor.WorkerInterceptor{p.attempts},
	}

	options := common
	options.DeadlockDetectionTimeout = deadlockAfter
	main := sdkworker.New(c, ordercheck.TaskQueue, options)
	registerWorkflows(main, o, p)
	o.Activities.RegisterLocal(main)
	(&activities.RecheckOrders{Temporal: c}).Register(main)
	(&activities.RecordOutcomes{Temporal: c}).Register(main)

	options = common
	options.DisableWorkflowWorker = true
	options.MaxConcurrentActivityExecutionSize = inflowSlots
	options.MaxConcurrentActivityTaskPollers = inflowPollers
	options.TaskQueueActivitiesPerSecond = inflowRate(o.InflowRequestsPerMinute)
	options.Interceptors = []interceptor.WorkerInterceptor{p.attempts, p.allowance}
	inflow := sdkworker.New(c, ordercheck.InflowTaskQueue, options)
	o.Activities.RegisterInflow(inflow)

	options = common
	options.DisableWorkflowWorker = true
	options.MaxConcurrentActivityExecutionSize = handOverSlots
	options.MaxHeartbeatThrottleInterval = handOverHeartbeat
	handOver := sdkworker.New(c, ordercheck.HandOverTaskQueue, options)
	(&activities.HandOver{Temporal: c}).Register(handOver)

	return []queue{
		{ordercheck.TaskQueue, main},
		{ordercheck.InflowTaskQueue, inflow},
		{ordercheck.HandOverTaskQueue, handOver},
	}
}

// registerWorkflows registers all workflows. Some move to a new build at once, because they may
// never end: a receiver who gets mail every day, for example, has a run every day.
func registerWorkflows(main sdkworker.Worker, o *Options, p *parts) {
	settings := o.Settings
	settings.RecordOutcomes = true
	checks := &workflows.SalesOrderChecks{Settings: settings, Observer: p.metrics}
	gathering := &workflows.NoticeGathering{Observer: p.metrics}
	const (
		byDefault  = workflow.VersioningBehaviorUnspecified
		toNewBuild = workflow.VersioningBehaviorAutoUpgrade
	)
	for _, w := range []struct {
		name       string
		function   any
		versioning workflow.VersioningBehavior
	}{
		{ordercheck.WorkflowType, checks.SalesOrderCheck, byDefault},
		{ordercheck.HandOverWorkflowType, workflows.HandOverDeliveries, byDefault},
		{ordercheck.SweepWorkflowType, sweep.Orders, byDefault},
		{ordercheck.HoldMarksStopType, holdmarks.Stop, toNewBuild},
		{ordercheck.DescribeRulesType, workflows.DescribeRules, byDefault},
		{ordercheck.UseSignInLinkType, workflows.UseSignInLink, byDefault},
		{ordercheck.DigestWorkflowType, workflows.SendDigest, byDefault},
		{ordercheck.GatherWorkflowType, gathering.GatherNotices, toNewBuild},
		{ordercheck.RulesWorkflowType, rulesinforce.Keep, toNewBuild},
		{ordercheck.OutcomesWorkflowType, ruleoutcomes.Keep, toNewBuild},
	} {
		main.RegisterWorkflowWithOptions(w.function,
			workflow.RegisterOptions{Name: w.name, VersioningBehavior: w.versioning})
	}
}

// start starts all queues, or none.
func start(queues []queue) error {
	for i, q := range queues {
		if err := q.worker.Start(); err != nil {
			stopAll(queues[:i])
			return fmt.Errorf("start the worker of task queue %s: %w", q.name, err)
		}
	}
	return nil
}

// stopAll stops the queues at the same time, and waits until they have stopped.
func stopAll(queues []queue) {
	var stopped sync.WaitGroup
	for _, q := range queues {
		stopped.Go(q.worker.Stop)
	}
	stopped.Wait()
}

// deployment returns the worker versioning options, if both settings are given.
func (o *Options) deployment() sdkworker.DeploymentOptions {
	if o.Deployment == "" || o.BuildID == "" {
		return sdkworker.DeploymentOptions{}
	}
	return sdkworker.DeploymentOptions{
		UseVersioning: true,
		Version: sdkworker.WorkerDeploymentVersion{
			DeploymentName: o.Deployment,
			BuildID:        o.BuildID,
		},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}
}
