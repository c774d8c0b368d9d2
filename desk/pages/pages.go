// Package pages serves the desk's HTML pages: the list of orders, the page of each order with its
// actions, the rules, and signing in. The pages work without JavaScript.
package pages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/desklink"
	"error-check-gate/internal/edge"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/signin"
)

// Orders provides orders and rules to the pages. [orders.Runs] implements it.
type Orders interface {
	orders.Service
	// Timeline returns what happened to an order, oldest first. If a part cannot be read, it returns
	// the rest and an error.
	Timeline(ctx context.Context, order *orders.Order) ([]ordercheck.TimelineEntry, error)
	// RulesInForce returns the rule set in force. Its digest is empty if there is none.
	RulesInForce(ctx context.Context) (ordercheck.InForce, error)
	// DescribeRules returns the rules of the set with the digest.
	DescribeRules(ctx context.Context, digest string) (ordercheck.DescribedRules, error)
	// RuleOutcomes returns the outcomes of errors by rule, from the day of from on. Days are in
	// UTC.
	RuleOutcomes(ctx context.Context, from time.Time) (ordercheck.RuleOutcomes, error)
}

// Options configure a [Handler]. Orders and SignIn are required.
type Options struct {
	Orders Orders
	// SignIn says who may sign in, and how. New sets Render, Peer, Logger and Now.
	SignIn signin.Options
	// Links verifies links from mails; nil refuses them all.
	Links *desklink.Signer
	// TrustedProxies lists the proxies whose X-Forwarded-For we believe.
	TrustedProxies edge.Networks
	// TemporalUIURL is the address of Temporal's Web UI, and Namespace is the namespace of the
	// runs, for links to runs. A nil URL leaves them out.
	TemporalUIURL *url.URL
	Namespace     string
	// Location is the time zone of dates; nil means the machine's.
	Location *time.Location
	Logger   *slog.Logger     // nil means slog.Default()
	Now      func() time.Time // nil means time.Now
}

// Handler answers requests for pages.
type Handler struct {
	orders    Orders
	signIn    *signin.Service
	links     *desklink.Signer
	templates templates
	assets    map[string]asset
	uiURL     *url.URL
	namespace string
	location  *time.Location
	open      bool // nobody has to sign in
	logger    *slog.Logger
	now       func() time.Time
	handler   http.Handler
}

// New returns a handler. It returns an error if a required option is missing or SignIn has a
// fault.
func New(o Options) (*Handler, error) {
	if o.Orders == nil {
		return nil, errors.New("set up the pages: no orders are given")
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{
		orders: o.Orders, links: o.Links, uiURL: o.TemporalUIURL, namespace: o.Namespace,
		location: o.Location, open: o.SignIn.Mode == signin.ModeNone, logger: o.Logger, now: o.Now,
	}
	var err error
	if h.assets, err = readAssets(); err != nil {
		return nil, fmt.Errorf("set up the pages: %w", err)
	}
	if h.templates, err = parseTemplates(h.functions()); err != nil {
		return nil, fmt.Errorf("set up the pages: %w", err)
	}
	o.SignIn.Logger, o.SignIn.Now = o.Logger, o.Now
	o.SignIn.Peer = func(r *http.Request) string {
		return edge.Subnet(o.TrustedProxies.Client(r)).String()
	}
	o.SignIn.Render = func(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
		h.render(w, r, status, name, "", data)
	}
	if h.signIn, err = signin.New(o.SignIn); err != nil {
		return nil, fmt.Errorf("set up the pages: %w", err)
	}
	h.handler = h.routes()
	return h, nil
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }

// Run sends the mails that people ask for when they sign in, until ctx ends.
func (h *Handler) Run(ctx context.Context) { h.signIn.Run(ctx) }
