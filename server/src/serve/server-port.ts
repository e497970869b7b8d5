/** The port on which imaging clients dial a server. */
export const SERVER_PORT = 7443;
