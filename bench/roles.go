package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/inflow"
)

// What the gate is compared with runs in processes of its own, as the gate does.
const (
	roleVariable = "BENCH_ROLE"
	roleHandler  = "bare-handler"
	roleWorker   = "bare-worker"

	bareTaskQueue = "bare"
	bareWorkflow  = "Bare"
	bareActivity  = "Nothing"
	// bareLimited is the queue of the first activity of a workflow that is given it, with a rate, as InFlow's is.
	bareLimited     = "bare-limited"
	bareLimitedRate = 1000
)

func play(role string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch role {
	case roleHandler:
		return serveBareHandler(ctx)
	case roleWorker:
		return runBareWorker(ctx)
	default:
		return fmt.Errorf("there is no role %q", role)
	}
}

// serveBareHandler reads the body, computes the HMAC and refuses.
func serveBareHandler(ctx context.Context) error {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.POST("/webhook/inflow", func(c *gin.Context) {
		body, err := io.ReadAll(c.Request.Body)
		if err != nil {
			c.AbortWithStatus(http.StatusBadRequest)
			return
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		signature, err := base64.StdEncoding.DecodeString(c.GetHeader(inflow.SignatureHeader))
		if err != nil || !hmac.Equal(mac.Sum(nil), signature) {
			c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"error": "invalid signature"})
			return
		}
		c.JSON(http.StatusOK, gin.H{"status": "received"})
	})
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s/webhook/inflow\n", listener.Addr())
	server := &http.Server{Handler: engine, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed { //nolint:errorlint // Serve returns it as it is
		return err
	}
	return nil
}

// runBareWorker runs a workflow of two activities that do nothing.
func runBareWorker(ctx context.Context) error {
	c, err := dial(ctx, os.Getenv("TEMPORAL_ADDRESS"))
	if err != nil {
		return err
	}
	defer c.Close()
	w := worker.New(c, bareTaskQueue, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, first string) error {
		for _, queue := range []string{first, bareTaskQueue} {
			ctx := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second, TaskQueue: queue})
			if err := workflow.ExecuteActivity(ctx, bareActivity).Get(ctx, nil); err != nil {
				return err
			}
		}
		return nil
	}, workflow.RegisterOptions{Name: bareWorkflow})
	limited := worker.New(c, bareLimited, worker.Options{DisableWorkflowWorker: true, TaskQueueActivitiesPerSecond: bareLimitedRate})
	for _, w := range []worker.Worker{w, limited} {
		w.RegisterActivityWithOptions(func(context.Context) error { return nil }, activity.RegisterOptions{Name: bareActivity})
		if err := w.Start(); err != nil {
			return err
		}
		defer w.Stop()
	}
	fmt.Println("polls", bareTaskQueue)
	<-ctx.Done()
	return nil
}
