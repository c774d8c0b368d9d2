package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"error-check-gate/internal/config"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

// fakeInflowFlags holds the flags of gate-dev fake-inflow.
type fakeInflowFlags struct {
	fakeinflow.Options

	listen, payload, retryAfter string
	faults, deliveryFaults      []string
	subscriber, secretFile      string
	noSamples                   bool
}

func newFakeInflowCommand() *cobra.Command {
	var flags fakeInflowFlags
	cmd := &cobra.Command{
		Use:   "fake-inflow",
		Short: "Run a stand-in for InFlow's API, with sample orders",
		Long: `Run a stand-in for InFlow Inventory's Cloud API on this machine. It has sales
orders, webhook subscriptions and the account's request quota, and it sends a
signed webhook when someone creates or edits an order, a customer or a product.
It never calls the real InFlow. It forgets everything when it stops, unless
--state names a file: it reads that file at the start and saves every change to
it within a second.

It starts with 17 sample orders of a cabinet dealer: ten are correct and seven
have one fault each. Edit them in a browser or with curl, as it prints.
'gate dev' starts its own stand-in. Use this command if you start the gate's
processes by hand.

--fault makes the API fail, and --delivery-fault makes webhooks fail. Repeat them
as needed. You can also set faults on the stand-in's page or with
POST /_fake/faults and /_fake/delivery-faults while it runs.

A fault is a JSON object. It applies to all requests, or only to requests for its
"route" or its "salesOrderId". With "every" 10, it applies to one in 10 of these.
It ends after it has applied to "times" requests. Its effects can be combined:
  latency "2s"                       wait before the answer
  slowBody "2s"                      wait in the middle of the answer
  status 500, retryAfter "7s", body  answer with these instead
  cut                                close the connection in the middle of the answer
  dropped                            close the connection before the request has an effect
  answerLost                         apply the request, then close the connection
  stale "2s"                         show orders as they were 2 seconds ago; hide newer ones
  incomplete "2s"                    leave out the lines of orders younger than 2 seconds
  leftOut ["lines","customer"]       leave these out although the request includes them
For a PUT of a sales order, also:
  serialsDropped                     empty the serial numbers of its lines
  timestampIgnored                   accept a stale timestamp
  notKept                            leave the custom fields as they were
  shortenedTo 20                     keep that many characters of each custom field
  changed "poNumber"                 change one more field, such as lines.0.description

A delivery fault also takes "salesOrderId", "every" and "times". Its effects:
  lost, doubled                      never send the webhook; send it twice
  delay "30s"                        send it late
  reordered                          send it after the next one`,
		Example: `  gate fake-inflow
  gate fake-inflow --listen 127.0.0.1:6000 --api-key my-key --payload live
  gate fake-inflow --requests-per-minute 0 --no-samples --state inflow.json
  gate fake-inflow --fault '{"status":500,"every":10}' --delivery-fault '{"lost":true,"times":3}'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runFakeInflow(cmd, flags) },
	}
	flags.addTo(cmd)
	return cmd
}

func (f *fakeInflowFlags) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "",
		"address to listen on (default: DEV_INFLOW_ADDR, else 127.0.0.1:5010)")
	flags.StringVar(&f.CompanyID, "company", "",
		"company id (default: INFLOW_COMPANY_ID, else "+fakeinflow.DefaultCompanyID+")")
	flags.StringVar(&f.APIKey, "api-key", "",
		"the only API key that it accepts (default: INFLOW_API_KEY, else a new key, which it prints)")
	flags.IntVar(&f.RequestsPerMinute, "requests-per-minute", 60, "request quota; 0 means no limit")
	flags.StringVar(&f.payload, "payload", "", "form of webhook bodies: "+
		"documented, live or alternate (default: the form of the subscribed events' names)")
	flags.StringVar(&f.retryAfter, "retry-after", "always",
		"when a 429 has the header Retry-After: always, never or sometimes")
	flags.StringVar(&f.StateFile, "state", "",
		"file that keeps orders, subscriptions and secrets between starts")
	flags.StringArrayVar(&f.faults, "fault", nil,
		"a fault of the API as JSON, see above; may be repeated")
	flags.StringArrayVar(&f.deliveryFaults, "delivery-fault", nil,
		"a fault of webhooks as JSON, see above; may be repeated")
	flags.IntVar(&f.DeliveriesAtOnce, "deliveries-at-once", fakeinflow.DefaultDeliveriesAtOnce,
		"webhooks in flight per subscription")
	flags.DurationVar(&f.DeliveryTimeout, "delivery-timeout", 30*time.Second,
		"how long a receiver may take to answer a webhook")
	flags.DurationSliceVar(&f.RetryDelays, "retry-delays", fakeinflow.DefaultRetryDelays(),
		"delay before each retry of a webhook; the stand-in gives up after the last one")
	flags.Float64Var(&f.RetryJitter, "retry-jitter", 0.2,
		"maximum random addition to a delay, as a share of it")
	flags.IntVar(&f.SwitchOffAfter, "switch-off-after", 0,
		"turn a subscription off after giving up this many webhooks in a row; 0 means never")
	flags.StringVar(&f.subscriber, "subscribe", "",
		"URL that receives the webhooks of sales orders from the start")
	flags.StringVar(&f.secretFile, "subscribe-secret-file", "",
		"file with the secret that signs these webhooks; the receiver needs it too")
	flags.BoolVar(&f.noSamples, "no-samples", false, "start without orders")
}

func runFakeInflow(cmd *cobra.Command, flags fakeInflowFlags) error {
	settings, err := config.LoadFakeInflow(config.OS())
	if err != nil {
		return &usageError{err}
	}
	flags.CompanyID = cmp.Or(flags.CompanyID, settings.InflowCompanyID)
	// A key from the environment is a secret: print the variable's name instead.
	shownKey := ""
	if flags.APIKey == "" && settings.InflowAPIKey != "" {
		flags.APIKey, shownKey = string(settings.InflowAPIKey), `"$INFLOW_API_KEY"`
	}
	flags.Logger = slog.New(logHandler(cmd.ErrOrStderr(), settings))
	server, err := newFakeInflow(flags)
	if err != nil {
		return &usageError{err}
	}
	defer server.Close()
	if !flags.noSamples && !server.Restored() {
		if err := addSampleOrders(server); err != nil {
			return err
		}
	}
	address := cmp.Or(flags.listen, settings.DevInflowAddr)
	listener, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", address)
	if err != nil {
		return fmt.Errorf(
			"listen for requests to the stand-in: %w; choose another address with --listen", err)
	}
	url := "http://" + localAddress(listener.Addr())
	if err := printFakeInflow(cmd.OutOrStdout(), server, url, shownKey); err != nil {
		return errors.Join(err, listener.Close())
	}
	return server.Serve(cmd.Context(), listener)
}

// newFakeInflow makes the stand-in that the flags describe. It does not add orders.
func newFakeInflow(flags fakeInflowFlags) (*fakeinflow.Server, error) {
	var err error
	if flags.PayloadForm, err = fakeinflow.ParsePayloadForm(flags.payload); err != nil {
		return nil, fmt.Errorf("--payload: %w", err)
	}
	if flags.RetryAfter, err = fakeinflow.ParseRetryAfter(flags.retryAfter); err != nil {
		return nil, fmt.Errorf("--retry-after: %w", err)
	}
	if (flags.subscriber == "") != (flags.secretFile == "") {
		return nil, errors.New(
			"--subscribe and --subscribe-secret-file go together: give both or neither")
	}
	server, err := fakeinflow.New(flags.Options)
	if err != nil {
		return nil, err
	}
	err = setFaults(server, flags.faults, flags.deliveryFaults)
	if err == nil && flags.subscriber != "" {
		err = subscribeWithFile(server, flags.subscriber, flags.secretFile)
	}
	if err != nil {
		server.Close()
		return nil, err
	}
	return server, nil
}

func logHandler(w io.Writer, settings config.FakeInflow) slog.Handler {
	options := &slog.HandlerOptions{Level: settings.LogLevel}
	if settings.LogFormat == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// setFaults sets the faults. If the stand-in refuses one, the error names it.
func setFaults(server *fakeinflow.Server, faults, deliveryFaults []string) error {
	for _, text := range faults {
		fault, err := fakeinflow.ParseFault([]byte(text))
		if err == nil {
			err = server.SetFault(fault)
		}
		if err != nil {
			return fmt.Errorf("--fault %s: %w", text, err)
		}
	}
	for _, text := range deliveryFaults {
		fault, err := fakeinflow.ParseDeliveryFault([]byte(text))
		if err == nil {
			err = server.SetDeliveryFault(fault)
		}
		if err != nil {
			return fmt.Errorf("--delivery-fault %s: %w", text, err)
		}
	}
	return nil
}

// subscribeWithFile subscribes target with the first secret of a file. An ingress can read the same
// file.
func subscribeWithFile(server *fakeinflow.Server, target, path string) error {
	content, err := os.ReadFile(path) //nolint:gosec // the operator's own setting
	if err != nil {
		return fmt.Errorf("--subscribe-secret-file: %w", err)
	}
	secret, _, _ := strings.Cut(strings.TrimSpace(string(content)), "\n")
	if _, err := inflow.ParseSecrets(secret); err != nil {
		return fmt.Errorf("--subscribe-secret-file=%s: %w", path, err)
	}
	if err := server.Subscribe(target, strings.TrimSpace(secret)); err != nil {
		return fmt.Errorf("--subscribe: %w", err)
	}
	return nil
}

func addSampleOrders(server *fakeinflow.Server) error {
	samples, err := fakeinflow.Samples()
	if err != nil {
		return err
	}
	for _, sample := range samples {
		if _, err := server.AddOrder(sample.Recent(time.Now()).Order); err != nil {
			return fmt.Errorf("sample order %s: %w", sample.Name, err)
		}
	}
	return nil
}

// localAddress returns the address at which this machine reaches a listener. A listener on all
// addresses is reached at 127.0.0.1.
func localAddress(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return address.String()
}

// printFakeInflow prints commands to paste into a shell. shownKey, if any, replaces the API key.
func printFakeInflow(w io.Writer, server *fakeinflow.Server, url, shownKey string) error {
	const text = `Fake InFlow is running on {{url}}. Press Ctrl-C to stop it.

Browse and edit orders:  {{url}}/_fake/

Point the gate at it:
  export INFLOW_API_URL={{url}}
  export INFLOW_COMPANY_ID={{company}}
  export INFLOW_API_KEY={{key}}

Subscribe a receiver. Only this answer has the secret:
  curl -X PUT {{url}}/{{company}}/webhooks \
    -H 'Authorization: Bearer '{{key}} -H 'Accept: application/json;version=2025-06-24' \
    -H 'Content-Type: application/json' \
    -d '{"url":"http://127.0.0.1:5000/webhook/inflow","events":["salesOrder.created","salesOrder.updated"],
         "webHookSubscriptionId":"{{subscription}}","webHookSubscriptionRequestId":"{{request}}"}'
`
	const orders = `
List the orders, and edit one, which sends a webhook:
  curl {{url}}/_fake/orders
  curl -X PATCH {{url}}/_fake/orders/{{order}} -H 'Content-Type: application/json' -d '{"orderRemarks":"edited"}'
  curl {{url}}/_fake/deliveries
`
	replace := []string{
		"{{url}}", url, "{{company}}", server.CompanyID(),
		"{{key}}", cmp.Or(shownKey, shellWord(server.APIKey())),
		"{{subscription}}", uuid.NewString(), "{{request}}", uuid.NewString(),
	}
	shown := text
	if list := server.Orders(); len(list) > 0 {
		shown += orders
		replace = append(replace, "{{order}}", list[0].ID)
	}
	_, err := io.WriteString(w, strings.NewReplacer(replace...).Replace(shown))
	return err
}

// shellWord quotes text, if necessary, as one word of a shell command.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("._-", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
