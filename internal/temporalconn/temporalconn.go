// Package temporalconn connects the gate's processes to Temporal, by Temporal's
// own standard settings: the TEMPORAL_* environment and profiles.
package temporalconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/nowait"
	"error-check-gate/internal/telemetry"
)

// Options are what a process adds to the environment's settings.
type Options struct {
	// Telemetry traces, measures and logs the connection; nil does none of it.
	Telemetry *telemetry.Telemetry
	// Address and Namespace outweigh the environment where they are not empty.
	Address, Namespace string
	// PayloadKeys encrypt and decrypt what Temporal keeps; nil are those of the environment
	// ([codec.KeysVariable], [codec.KeysFileVariable]), so that no command forgets them.
	PayloadKeys *codec.Keys
	// RecordKeys makes the payload keys those of the namespace's workers. Only workers set it.
	RecordKeys bool
}

const (
	// dialTimeout limits Dial: a server on a busy machine answers its first calls late.
	dialTimeout = 20 * time.Second
	// dialRetry is the pause before Dial repeats a call that the server could not answer yet.
	dialRetry = 250 * time.Millisecond
)

// Dial connects and makes sure that the server answers, and that this process may write to the
// namespace with the payload keys it has. The caller closes the client.
func Dial(ctx context.Context, o Options) (client.Client, error) {
	options, guard, err := load(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal at %s, namespace %s: %w (is it running? see TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS)",
			options.HostPort, options.Namespace, err)
	}
	err = whenReady(ctx, func() error {
		if o.RecordKeys {
			return recordKeys(ctx, c.WorkflowService(), options.Namespace, guard.keys)
		}
		return guard.check(ctx, c.WorkflowService(), 0)
	})
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// whenReady repeats a call that fails because the server is not ready: one that has just started
// does not own its shards yet. It returns the last error when ctx is done.
func whenReady(ctx context.Context, call func() error) error {
	for {
		err := call()
		var unavailable *serviceerror.Unavailable
		var exhausted *serviceerror.ResourceExhausted
		if !errors.As(err, &unavailable) && !errors.As(err, &exhausted) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(dialRetry):
		}
	}
}

// Lazy makes a client that connects with its first call: a process that has to
// answer while Temporal is down must be able to start then. It writes nothing before it knows
// that its payload keys are the workers'. The caller closes it.
func Lazy(o Options) (client.Client, error) {
	options, _, err := load(o)
	if err != nil {
		return nil, err
	}
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to Temporal at %s: %w", options.HostPort, err)
	}
	return c, nil
}

// Settings are the effective settings of the connection, without its secrets.
type Settings struct {
	Address, Namespace string
	TLS, APIKey        bool
}

// Effective reads the settings without connecting.
func Effective() (Settings, error) {
	profile, err := loadProfile()
	if err != nil {
		return Settings{}, err
	}
	options, err := toOptions(profile)
	if err != nil {
		return Settings{}, err
	}
	return Settings{
		Address:   options.HostPort,
		Namespace: options.Namespace,
		TLS:       options.ConnectionOptions.TLS != nil,
		APIKey:    profile.APIKey != "",
	}, nil
}

func load(o Options) (client.Options, *keyGuard, error) {
	profile, err := loadProfile()
	if err != nil {
		return client.Options{}, nil, err
	}
	options, err := toOptions(profile)
	if err != nil {
		return client.Options{}, nil, err
	}
	keys := o.PayloadKeys
	if keys == nil {
		if keys, err = codec.ReadKeys(os.Getenv(codec.KeysVariable), os.Getenv(codec.KeysFileVariable)); err != nil {
			return client.Options{}, nil, err
		}
	}
	// Without keys too: what is encrypted must stop a workflow task, and not be taken for broken.
	options.DataConverter, options.FailureConverter = codec.NewDataConverter(keys), codec.NewFailureConverter(keys)
	if o.Address != "" {
		options.HostPort = o.Address
	}
	if o.Namespace != "" {
		options.Namespace = o.Namespace
	}
	// Whoever calls first waits for this too, within a limit of its own if it has one.
	options.ConnectionOptions.GetSystemInfoTimeout = dialTimeout
	// A check's calls carry a few kB. To compress them took a tenth of the worker's processor time.
	options.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	// gRPC's own backoff grows to two minutes: a Temporal that is back would be found long after.
	options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions,
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{
			BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
		}, MinConnectTimeout: 5 * time.Second}),
		// gRPC would ask DNS for settings too, before it connects. Docker passes that question on to the
		// machine's name server: while that is silent, it takes longer than dialTimeout.
		grpc.WithDisableServiceConfig())
	guard := newKeyGuard(options.Namespace, keys)
	options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(guard.intercept))
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	if t := o.Telemetry; t != nil {
		options.Logger = t.TemporalLogger()
		options.MetricsHandler = t.TemporalMetrics()
		if options.Interceptors, err = t.TemporalInterceptors(); err != nil {
			return client.Options{}, nil, err
		}
	}
	return options, guard, nil
}

func loadProfile() (envconfig.ClientConfigProfile, error) {
	environment, err := newEnvironment()
	if err != nil {
		return envconfig.ClientConfigProfile{}, err
	}
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{
		EnvLookup: environment, DisableFile: !fileNeeded(environment),
	})
	if err != nil {
		return profile, fmt.Errorf("read Temporal's settings (TEMPORAL_*, or the profile in TEMPORAL_CONFIG_FILE): %w", err)
	}
	return profile, nil
}

// fileNeeded reports whether to read the file of profiles. The user's own file, which no variable
// asks for, is only read if it can be: the home of a service's user may be missing, or hidden from
// the service.
func fileNeeded(e environment) bool {
	for _, variable := range []string{"TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE"} {
		if _, set := e.LookupEnv(variable); set {
			return true
		}
	}
	_, err := os.ReadFile(envconfig.DefaultConfigFilePath())
	return err == nil
}

func toOptions(profile envconfig.ClientConfigProfile) (client.Options, error) {
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return options, fmt.Errorf("read Temporal's settings (TEMPORAL_TLS_*): %w", err)
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	if t := options.ConnectionOptions.TLS; t != nil && t.MinVersion == 0 {
		t.MinVersion = tls.VersionTLS12
	}
	return options, nil
}

const (
	apiKeyVariable     = "TEMPORAL_API_KEY"
	apiKeyFileVariable = "TEMPORAL_API_KEY_FILE"
)

// environment is the process's without empty variables, and with the API key read from its file where one is named.
type environment struct{ apiKey string }

func newEnvironment() (environment, error) {
	path := os.Getenv(apiKeyFileVariable)
	if path == "" {
		return environment{}, nil
	}
	if os.Getenv(apiKeyVariable) != "" {
		return environment{}, errors.New(apiKeyVariable + " and " + apiKeyFileVariable + " are both set: keep one")
	}
	data, err := nowait.ReadFile(path)
	if err != nil {
		return environment{}, fmt.Errorf("%s: %w", apiKeyFileVariable, err)
	}
	key := strings.TrimSpace(string(data))
	if key == "" {
		return environment{}, fmt.Errorf("%s: %s is empty", apiKeyFileVariable, path)
	}
	return environment{apiKey: key}, nil
}

func (e environment) Environ() []string {
	variables := os.Environ()
	if e.apiKey != "" {
		variables = append(slices.Clip(variables), apiKeyVariable+"="+e.apiKey)
	}
	return variables
}

func (e environment) LookupEnv(name string) (string, bool) {
	if name == apiKeyVariable && e.apiKey != "" {
		return e.apiKey, true
	}
	// A variable set to nothing, as compose files pass on what is unset, is not set.
	value := os.Getenv(name)
	return value, value != ""
}
