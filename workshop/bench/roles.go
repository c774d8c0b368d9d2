package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/inflow"
)

// The things that we compare the gate with run as separate processes, like the gate.
const (
	roleVariable = "BENCH_ROLE"
	roleHandler  = "bare-handler"
	roleWorker   = "bare-worker"

	bareTaskQueue = "bare"
	bareWorkflow  = "Bare"
	bareFetch     = "Fetch"
	bareCheck     = "Check"
	// apiKeyVariable is the environment variable with the stand-in's API key, for the workflow that
	// fetches an order.
	apiKeyVariable = "BENCH_API_KEY"
)

// runRole runs the program that we compare the gate with, until a signal stops it.
func runRole(role string) error {
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

// serveBareHandler serves a handler that reads the body and verifies the signature.
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
	return serve(ctx, engine, "/webhook/inflow")
}

// serve prints the URL of the handler, and serves it until ctx ends.
func serve(ctx context.Context, handler http.Handler, path string) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s%s\n", listener.Addr(), path)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed { //nolint:errorlint // Serve returns it as it is
		return err
	}
	return nil
}

// runBareWorker runs a workflow of two activities that do nothing. If it gets the URL of an order,
// the first activity fetches the order and the second takes it. A POST to the worker starts the
// workflow with such a URL.
func runBareWorker(ctx context.Context) error {
	c, err := dial(ctx, os.Getenv("TEMPORAL_ADDRESS"))
	if err != nil {
		return err
	}
	defer c.Close()
	w := worker.New(c, bareTaskQueue, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, url string) error {
		ctx = workflow.WithActivityOptions(ctx,
			workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
		var order json.RawMessage
		if err := workflow.ExecuteActivity(ctx, bareFetch, url).Get(ctx, &order); err != nil {
			return err
		}
		return workflow.ExecuteActivity(ctx, bareCheck, order).Get(ctx, nil)
	}, workflow.RegisterOptions{Name: bareWorkflow})
	w.RegisterActivityWithOptions(func(ctx context.Context, url string) (json.RawMessage, error) {
		if url == "" {
			return nil, nil
		}
		return get(ctx, url)
	}, activity.RegisterOptions{Name: bareFetch})
	w.RegisterActivityWithOptions(func(context.Context, json.RawMessage) error { return nil },
		activity.RegisterOptions{Name: bareCheck})
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	return serve(ctx, http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		url, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = startBare(r.Context(), c, strings.TrimPrefix(r.URL.Path, "/"), string(url))
		}
		if err != nil {
			http.Error(answer, err.Error(), http.StatusInternalServerError)
		}
	}), "")
}

func startBare(ctx context.Context, c client.Client, id, url string) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: bareTaskQueue},
		bareWorkflow, url)
}

// get fetches an order from InFlow without the gate's client.
func get(ctx context.Context, url string) (json.RawMessage, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv(apiKeyVariable))
	request.Header.Set("Accept", "application/json;version="+inflow.DefaultAPIVersion)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("InFlow answers %s", response.Status)
	}
	return io.ReadAll(response.Body)
}
