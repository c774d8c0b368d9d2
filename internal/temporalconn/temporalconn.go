// Package temporalconn connects the gate's processes to Temporal. It reads Temporal's own standard
// settings: the TEMPORAL_* variables and the profiles of the temporal CLI.
package temporalconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/telemetry"
)

// Options add to the settings in a process's environment. The zero value adds nothing.
type Options struct {
	// Telemetry traces, measures and logs the connection. Nil turns all three off.
	Telemetry *telemetry.Telemetry
	// Address and Namespace override the environment if they are not empty.
	Address, Namespace string
	// PayloadKeys encrypt and decrypt what Temporal stores. Nil reads them from the environment
	// ([codec.KeysVariable], [codec.KeysFileVariable]), so no command can forget them.
	PayloadKeys *codec.Keys
	// RecordKeys makes [Dial] record PayloadKeys in the namespace as the workers' keys. Only
	// workers set it.
	RecordKeys bool
}

const (
	// dialTimeout limits Dial. A server on a busy machine answers its first calls late.
	dialTimeout = 20 * time.Second
	// If nothing arrives on a connection for keepAliveTime, gRPC pings the server. If the answer
	// does not arrive within keepAliveTimeout, gRPC closes the connection. A machine or network
	// may have died without closing it, and until gRPC notices, every call over the connection
	// fails. The SDK's defaults are 30 s and 15 s. Servers refuse pings that come more often
	// than every 10 s.
	keepAliveTime    = 12 * time.Second
	keepAliveTimeout = 8 * time.Second
	// dialRetry is the delay before Dial repeats a call because the server was not ready.
	dialRetry = 250 * time.Millisecond
)

// Dial connects to Temporal. It returns once the server has answered and the payload keys of this
// process match the keys of the namespace's workers. The caller closes the client.
func Dial(ctx context.Context, o Options) (client.Client, error) {
	options, guard, err := load(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal at %s, namespace %s: %w (is it running? check "+
			"TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY and TEMPORAL_TLS)",
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

// whenReady repeats a call while the server is not ready: for a moment after its start, a server
// does not own its shards. It returns the last error when ctx is done.
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

// Lazy returns a client that connects with its first call, so a process that must answer while
// Temporal is down can start. The client writes nothing until it knows that its payload keys match
// the workers' keys. The caller closes it.
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

// Settings holds the settings in effect, without secrets.
type Settings struct {
	Address, Namespace string
	TLS, APIKey        bool // APIKey: an API key is set
}

// Effective returns the settings in effect. It does not connect.
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
		value, file := os.Getenv(codec.KeysVariable), os.Getenv(codec.KeysFileVariable)
		if keys, err = codec.ReadKeys(value, file); err != nil {
			return client.Options{}, nil, err
		}
	}
	// Set these even without keys: an encrypted payload must then stop a workflow task. Otherwise
	// the run would take the payload for a broken one.
	options.DataConverter = codec.NewDataConverter(keys)
	options.FailureConverter = codec.NewFailureConverter(keys)
	if o.Address != "" {
		options.HostPort = o.Address
	}
	if o.Namespace != "" {
		options.Namespace = o.Namespace
	}
	guard := newKeyGuard(options.Namespace, keys)
	setConnection(&options.ConnectionOptions, guard)
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

func setConnection(o *client.ConnectionOptions, guard *keyGuard) {
	// The first call also waits for the system info, within its own deadline if it has one.
	o.GetSystemInfoTimeout = dialTimeout
	o.KeepAliveTime, o.KeepAliveTimeout = keepAliveTime, keepAliveTimeout
	// The calls of a check carry a few kB. Compressing them took 10% of a worker's CPU time.
	o.GrpcCompression = &client.GrpcCompressionNone{}
	o.DialOptions = append(o.DialOptions,
		// gRPC's default backoff grows to two minutes, so a process would reconnect long after
		// Temporal is back.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{
			BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
		}, MinConnectTimeout: 5 * time.Second}),
		// By default gRPC asks DNS for a service config before it connects. Docker forwards that
		// query to the machine's name server. If the server doesn't answer, the query takes longer
		// than dialTimeout.
		grpc.WithDisableServiceConfig(),
		grpc.WithChainUnaryInterceptor(guard.intercept),
	)
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
		return profile, fmt.Errorf("read Temporal's settings (TEMPORAL_*, or the profile in %s): %w",
			configFileVariable, err)
	}
	return profile, nil
}

// fileNeeded reports whether to read the file of profiles. The default file, which no variable
// asks for, is skipped if it cannot be read: the home folder of a service's user may not exist, or
// may be hidden from the service.
func fileNeeded(e environment) bool {
	for _, variable := range []string{configFileVariable, "TEMPORAL_PROFILE"} {
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
	configFileVariable = "TEMPORAL_CONFIG_FILE"
)

// environment is the process's environment without empty variables. It adds the API key from the
// file that TEMPORAL_API_KEY_FILE names, because Temporal's library does not know that variable.
type environment struct{ apiKey string }

func newEnvironment() (environment, error) {
	key, err := readAPIKey(os.Getenv)
	if err != nil {
		return environment{}, err
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
	// Compose files set unset variables to the empty string, so empty means unset.
	value := os.Getenv(name)
	return value, value != ""
}
