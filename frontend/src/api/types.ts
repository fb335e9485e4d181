/* Names for the generated types; nothing here restates a shape. */
import type { components, operations } from './schema';

type Schemas = components['schemas'];

export type Channel = Schemas['Channel'];
export type DeadLetter = Schemas['DeadLetter'];
export type DemoRole = Schemas['DemoLogin']['role'];
export type EmailMessage = Schemas['EmailMessage'];
export type InAppMessage = Schemas['InAppMessage'];
export type InboxItem = Schemas['InboxItem'];
export type Me = Schemas['Me'];
export type Notification = Schemas['Notification'];
export type NotificationDetail = Schemas['NotificationDetail'];
export type NotificationStatus = Schemas['NotificationStatus'];
export type QueueName = Schemas['QueueName'];
export type Priority = Schemas['Priority'];
export type Problem = Schemas['Problem'];
export type Role = Schemas['Role'];
export type Ticket = Schemas['Ticket'];
export type TicketCreate = Schemas['TicketCreate'];

type Query<Operation extends keyof operations> = NonNullable<operations[Operation]['parameters']['query']>;

export type NotificationFilter = Omit<Query<'listNotifications'>, 'limit' | 'cursor'>;
export type DeadLetterFilter = Omit<Query<'listDeadLetters'>, 'limit' | 'cursor'>;

/* The lists that forms and filters offer. `satisfies` makes the compiler refuse a word that the API does not have. */
export const CHANNELS = ['email', 'push', 'sms', 'webhook', 'inapp'] as const satisfies readonly Channel[];
/* Those that this version delivers by: a form that asks where news may go offers no others. */
export const DELIVERING_CHANNELS = ['email', 'inapp'] as const satisfies readonly Channel[];
export const QUEUES = ['router', 'email', 'push', 'sms', 'webhook', 'inapp', 'dlq'] as const satisfies readonly QueueName[];
export const PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const satisfies readonly Priority[];
export const NOTIFICATION_STATUSES = [
  'pending',
  'deferred',
  'sending',
  'sent',
  'suppressed',
  'expired',
  'dead',
] as const satisfies readonly NotificationStatus[];
