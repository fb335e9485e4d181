import { createRootRoute, createRoute, createRouter, redirect } from '@tanstack/react-router';

import { CHANNELS, NOTIFICATION_STATUSES, QUEUES, type DeadLetterFilter, type NotificationFilter } from '../api/types';
import { DeadLettersScreen } from '../screens/dead-letters/DeadLettersScreen';
import { DeliveriesScreen } from '../screens/deliveries/DeliveriesScreen';
import { DeliveryScreen } from '../screens/deliveries/DeliveryScreen';
import { InboxScreen } from '../screens/inbox/InboxScreen';
import { NewTicketScreen } from '../screens/tickets/NewTicketScreen';
import { TicketScreen } from '../screens/tickets/TicketScreen';
import { TicketsScreen } from '../screens/tickets/TicketsScreen';
import { NotFound } from './NotFound';
import { Shell } from './Shell';

function oneOf<Word extends string>(words: readonly Word[], value: unknown): Word | undefined {
  return words.find((word) => word === value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const start = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- the router's way to redirect
    throw redirect({ to: '/tickets', replace: true });
  },
});

const tickets = createRoute({ getParentRoute: () => root, path: '/tickets', component: TicketsScreen });
const newTicket = createRoute({ getParentRoute: () => root, path: '/tickets/new', component: NewTicketScreen });
const ticket = createRoute({
  getParentRoute: () => root,
  path: '/tickets/$ticketId',
  component: function TicketRoute() {
    return <TicketScreen ticketId={ticket.useParams().ticketId} />;
  },
});

const inbox = createRoute({ getParentRoute: () => root, path: '/inbox', component: InboxScreen });

/* Filters live in the address, so that a filtered list can be reloaded, bookmarked and handed on. Words that are none are dropped. */
const deliveries = createRoute({
  getParentRoute: () => root,
  path: '/deliveries',
  validateSearch: (search: Record<string, unknown>): NotificationFilter => ({
    status: oneOf(NOTIFICATION_STATUSES, search.status),
    channel: oneOf(CHANNELS, search.channel),
  }),
  component: function DeliveriesRoute() {
    const navigate = deliveries.useNavigate();
    return <DeliveriesScreen filter={deliveries.useSearch()} onFilter={(search) => void navigate({ search })} />;
  },
});
const delivery = createRoute({
  getParentRoute: () => root,
  path: '/deliveries/$notificationId',
  component: function DeliveryRoute() {
    return <DeliveryScreen notificationId={delivery.useParams().notificationId} />;
  },
});

const deadLetters = createRoute({
  getParentRoute: () => root,
  path: '/dead-letters',
  validateSearch: (search: Record<string, unknown>): DeadLetterFilter => ({
    queue: QUEUES.find((queue) => queue === search.queue),
    reason: text(search.reason),
  }),
  component: function DeadLettersRoute() {
    const navigate = deadLetters.useNavigate();
    return <DeadLettersScreen filter={deadLetters.useSearch()} onFilter={(search) => void navigate({ search })} />;
  },
});

export const router = createRouter({
  routeTree: root.addChildren([start, tickets, newTicket, ticket, inbox, deliveries, delivery, deadLetters]),
  basepath: '/ui',
  defaultPreload: false,
  // Ids are text, also when they look like numbers or JSON.
  parseSearch: (query) => Object.fromEntries(new URLSearchParams(query)),
  stringifySearch: (search) => {
    const set = Object.entries(search).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    return set.length === 0 ? '' : `?${new URLSearchParams(set).toString()}`;
  },
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
