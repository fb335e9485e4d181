// The request bodies both peers accept: the same shapes and limits as HelpDesk's own routes, compiled once by fastify's ajv.

const channels = { type: 'array', minItems: 1, maxItems: 5, uniqueItems: true, items: { enum: ['email', 'inapp'] } };

export const newTicket = {
  type: 'object',
  required: ['title', 'description'],
  additionalProperties: false,
  properties: {
    title: { type: 'string', minLength: 1, maxLength: 200 },
    description: { type: 'string', minLength: 1, maxLength: 20000 },
    priority: { enum: ['low', 'normal', 'high', 'urgent'], default: 'normal' },
    channels,
    tags: { type: 'array', maxItems: 20, items: { type: 'string', maxLength: 50 } },
  },
};

export const newUser = {
  type: 'object',
  required: ['userId', 'name', 'email', 'role'],
  additionalProperties: false,
  properties: {
    userId: { type: 'string', minLength: 1, maxLength: 100 },
    name: { type: 'string', minLength: 1, maxLength: 200 },
    email: { type: 'string', format: 'email', maxLength: 254 },
    role: { enum: ['customer', 'agent', 'manager', 'admin', 'service'] },
    locale: { enum: ['pt-BR', 'en'], default: 'en' },
  },
};

// Lets fastify serialise the answer with a compiled function rather than JSON.stringify.
export const ticketAnswer = {
  type: 'object',
  properties: Object.fromEntries(
    ['ticketId', 'ownerId', 'title', 'description', 'priority', 'status', 'createdAt', 'eventId']
      .map((name) => [name, { type: 'string' }])
      .concat([['version', { type: 'integer' }]]),
  ),
};
