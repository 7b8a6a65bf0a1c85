import { mount } from 'svelte';
import App from './App.svelte';
import { stayAwake } from './api/awake';
import './kit/base.css';
import { theme } from './shell/theme.svelte';

theme.apply();
stayAwake();
const target = document.getElementById('app');
if (target === null) throw new Error('the document has no #app');
mount(App, { target });
